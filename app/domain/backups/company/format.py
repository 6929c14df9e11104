"""The archive of a company as anybody may read it: a ZIP of NDJSON, one file a table, and a manifest with hashes.

    LEAME.txt                what this is, in Spanish
    datos/<tabla>.ndjson     one row a line, JSON, in the order of its key; the company's own id reads `$tenant`
    personas.ndjson          who belongs to the company: id, e-mail and name, no password
    manifiesto.json          tables with rows and SHA-256, root hash, schema revision, end of the audit chain

Rows are exactly those of one instant. `docs/RESPALDOS.md` describes the format for people.
"""

from hashlib import sha256
from typing import Final
from uuid import UUID

import msgspec

from app.domain.backups.sealed import Manifest

FORMAT: Final = "mostrador-company-1"
MANIFEST: Final = "manifiesto.json"
PEOPLE: Final = "personas.ndjson"
README: Final = "LEAME.txt"
_FOLDER: Final = "datos/"
_ENDING: Final = ".ndjson"


class RestoreRefused(Exception):
    """The archive does not fit this place; nothing was written. The message says why."""


NOT_OF_THE_COMPANY: Final = {
    "outbox": "jobs of the machinery; what is still due is asked for again by sweeps",
    "company_backup": "tells of archives, which would tell of themselves",
    "company_restore": "tells of restores",
    "audit_origin": "of the place where a trail was brought in, signed by it",
    "support_access": "the operator's looks into the company, by its own staff: never turned back",
    "support_route": "what those looked at",
    "sample_company": "whose sample the company is: a fact of a person",
    "payment_event": "what the operator's payment provider told, about any company",
}
"""Tables of a company that its archive leaves out, and why. Every other one is in it."""

TRAIL: Final = ("audit_entry", "audit_head", "audit_checkpoint", "audit_archive")
"""The audit chain with what holds it: never turned back where it is whole."""

SEALED: Final = {
    (
        "dian_setting",
        "software_pin",
    ): "UPDATE dian_setting SET is_enabled = false, software_pin = NULL WHERE tenant_id = $1",
    ("dian_former_secret", "sealed"): "DELETE FROM dian_former_secret WHERE tenant_id = $1",
    ("document_range", "technical_key"): "UPDATE document_range SET technical_key = NULL WHERE tenant_id = $1",
    ("dian_certificate", "sealed"): (
        "UPDATE dian_certificate SET sealed = NULL, retired_at = coalesce(retired_at, now()) WHERE tenant_id = $1"
    ),
    # What it opens was sealed for the company it came from; new entries make new keys.
    ("person_key", "wrapped"): "DELETE FROM person_key WHERE tenant_id = $1 AND wrapped IS NOT NULL",
    ("webhook_secret", "sealed"): "DELETE FROM webhook_secret WHERE tenant_id = $1",
}
"""Columns sealed under `SECRET_KEY` for their company: they open nowhere else. With each, how a copy forgets what it holds."""


class TableFile(msgspec.Struct, frozen=True, rename="camel"):
    """A table in the archive."""

    table: str
    rows: int
    bytes: int
    sha256: str


class ChainEnd(msgspec.Struct, frozen=True, rename="camel"):
    """Where the audit chain ended."""

    seq: int
    hash: str
    signature: str
    """Ed25519 of the installation over company, place, hash and root hash, in hexadecimal."""
    public_key: str


class Contents(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """`manifiesto.json`."""

    format: str
    tenant_id: UUID
    name: str
    nit: str
    snapshot_at: str
    revision: str
    tables: list[TableFile]
    people: TableFile
    rows: int
    root_hash: str
    chain: ChainEnd

    def file_of(self, table: str) -> TableFile | None:
        return next((one for one in self.tables if one.table == table), None)


class CompanyManifest(Manifest, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What the sealed archive says at its end: the ZIP's own manifest again."""

    contents: Contents


def member(table: str) -> str:
    """Name of a table's file."""
    return f"{_FOLDER}{table}{_ENDING}"


def root_hash(tables: list[TableFile]) -> str:
    """SHA-256 over every table's name, rows and hash."""
    lines = "".join(f"{one.table} {one.rows} {one.sha256}\n" for one in sorted(tables, key=lambda one: one.table))
    return sha256(lines.encode()).hexdigest()


def chain_statement(tenant_id: UUID, seq: int, head: str, root: str) -> dict[str, object]:
    """What the installation signs of an archive."""
    return {"archive": FORMAT, "tenantId": str(tenant_id), "seq": seq, "hash": head, "rootHash": root}


GUIDE: Final = """Archivo de una empresa de Mostrador
===================================

datos/<tabla>.ndjson   una fila por línea, en JSON. Los números van como texto para que nadie los redondee;
                       los archivos (XML, logo) van como texto hexadecimal que empieza por \\\\x.
                       «$tenant» es la empresa misma.
personas.ndjson        quién pertenece a la empresa: id, correo y nombre.
manifiesto.json        tablas, número de filas, SHA-256 de cada archivo y huella de todo.

Para comprobarlo: sha256sum datos/*.ndjson y comparar con manifiesto.json.
El formato se describe en docs/RESPALDOS.md.
"""
