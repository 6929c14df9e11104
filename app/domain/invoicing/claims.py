"""Which worker has a document, and everything it needs to know about it. One row claim at a time."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import or_, select, text, update

from app.db.session import Work
from app.domain.invoicing.former import keys_of_document, opened_or_none
from app.domain.invoicing.identify import Keys
from app.domain.invoicing.kinds import Environment, Kind, family_of_set
from app.domain.invoicing.known import Known, find_document
from app.domain.invoicing.model import Document as Frozen
from app.domain.invoicing.model import thaw
from app.domain.invoicing.models import (
    DianCertificate,
    DianSetting,
    DianTestSet,
    Document,
    DocumentFile,
    DocumentRange,
    DocumentState,
    DocumentVersion,
)
from app.domain.invoicing.vault import Vault
from app.domain.invoicing.versions import Version
from app.lib import clock

HELD: Final = timedelta(seconds=75)
"""Longer than a run may take: only a killed one leaves its claim behind."""

_CLAIM: Final = text(
    "UPDATE document_state SET claim = :claim, claimed_until = :until, next_at = :until "
    "WHERE tenant_id = :t AND document_id = :id AND status IN ('pending','signed','sent','unknown') "
    "AND (claimed_until IS NULL OR claimed_until <= :now) RETURNING status, version, uuid, attempts, zip_key"
)


class SignedFile(msgspec.Struct, frozen=True):
    """What was signed and is sent, byte for byte."""

    name: str
    content: bytes


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """A document that this run has."""

    id: UUID
    claim: UUID
    row: Document
    status: str
    version: Version
    attempts: int
    zip_key: str
    xml: SignedFile | None
    keys: Keys
    """The secrets that its version was identified with: whatever replaced them, what was printed stays good."""
    today: Keys | None
    """Those of today; None for some that do not open any more."""
    environment: Environment
    setting: DianSetting
    certificate: DianCertificate | None
    corrected: Known | None
    """For a note: what it corrects."""
    test_set: str
    """Code of its test set, for a document of one."""

    def keys_for(self, paper: Frozen) -> Keys:
        """The secrets for making it anew: today's, unless it stays what was printed or names another software."""
        same = paper.issued_at == self.version.content.issued_at or paper.software.id != self.setting.software_id
        return self.keys if same or self.today is None else self.today


async def claim_document(work: Work, vault: Vault, document_id: UUID, claim: UUID, now: datetime) -> Claimed | None:
    """Take a document, if nothing is decided about it and nobody has it."""
    tenant_id = work.tenant_id
    values = {"t": tenant_id, "id": document_id, "claim": claim, "until": now + HELD, "now": now}
    state = (await work.session.execute(_CLAIM, values)).one_or_none()
    if state is None:
        return None
    row = (
        await work.session.scalars(select(Document).where(Document.tenant_id == tenant_id, Document.id == document_id))
    ).one()
    setting = (await work.session.scalars(select(DianSetting).where(DianSetting.tenant_id == tenant_id))).one()
    sealed_key = await work.session.scalar(
        select(DocumentRange.technical_key).where(
            DocumentRange.tenant_id == tenant_id, DocumentRange.id == row.range_id
        )
    )
    version = await _version(work, row, state.version, state.uuid)
    corrected = None
    if row.corrects_id is not None:
        corrected = await find_document(work, Document.id == row.corrects_id)
    return Claimed(
        id=document_id,
        claim=claim,
        row=row,
        status=state.status,
        version=version,
        attempts=state.attempts,
        zip_key=state.zip_key,
        xml=await signed_file(work, document_id, state.version),
        keys=await keys_of_document(work, vault, version.content, version.uuid, row.range_id, setting, sealed_key),
        environment="1" if row.environment == "1" else "2",
        setting=setting,
        certificate=(
            await work.session.scalars(
                select(DianCertificate).where(
                    DianCertificate.tenant_id == tenant_id, DianCertificate.retired_at.is_(None)
                )
            )
        ).one_or_none(),
        today=_today(work, vault, setting, sealed_key),
        corrected=corrected,
        test_set=await _test_set_of(work, row) if row.is_test else "",
    )


def _today(work: Work, vault: Vault, setting: DianSetting, sealed_key: bytes | None) -> Keys | None:
    pin = opened_or_none(vault, work.tenant_id, setting.software_pin)
    key = opened_or_none(vault, work.tenant_id, sealed_key)
    if pin is None or (key is None and sealed_key is not None):
        return None
    return Keys(pin=pin, technical_key=key or "")


async def set_state(work: Work, claimed: Claimed, *, keep: bool = False, **values: Any) -> bool:
    """Change the state of a document that this run still has; gives it back unless `keep`. False: another run has it."""
    if not keep:
        values |= {"claim": None, "claimed_until": None}
    changed = await work.session.scalar(
        update(DocumentState)
        .where(
            DocumentState.tenant_id == work.tenant_id,
            DocumentState.document_id == claimed.id,
            DocumentState.claim == claimed.claim,
        )
        .values(updated_at=text("now()"), **values)
        .returning(DocumentState.document_id)
        .execution_options(synchronize_session=False)
    )
    return changed is not None


async def put_off_unclaimed(work: Work, document_id: UUID, message: str, until: datetime) -> None:
    """Say why a document that could not even be read does not go."""
    await work.session.execute(
        update(DocumentState)
        .where(
            DocumentState.tenant_id == work.tenant_id,
            DocumentState.document_id == document_id,
            DocumentState.status.in_(("pending", "signed", "sent", "unknown")),
            or_(DocumentState.claimed_until.is_(None), DocumentState.claimed_until <= clock.now()),
        )
        .values(message=message, next_at=until)
        .execution_options(synchronize_session=False)
    )


async def signed_file(work: Work, document_id: UUID, version: int) -> SignedFile | None:
    """The signed XML of a version."""
    found = (
        await work.session.execute(
            select(DocumentFile.name, DocumentFile.content).where(
                DocumentFile.tenant_id == work.tenant_id,
                DocumentFile.document_id == document_id,
                DocumentFile.version == version,
                DocumentFile.kind == "xml",
            )
        )
    ).one_or_none()
    return None if found is None else SignedFile(*found)


async def versions_of(work: Work, row: Document) -> dict[str, int]:
    """UUID of every version of a document to its number."""
    later = await work.session.execute(
        select(DocumentVersion.uuid, DocumentVersion.version)
        .where(DocumentVersion.tenant_id == work.tenant_id, DocumentVersion.document_id == row.id)
        .order_by(DocumentVersion.version)
    )
    return {row.uuid: 1, **{found.uuid: found.version for found in later}}


async def _test_set_of(work: Work, row: Document) -> str:
    """Code of the test set that a document was issued for: the newest of its family that had begun."""
    code = await work.session.scalar(
        select(DianTestSet.code)
        .where(
            DianTestSet.tenant_id == work.tenant_id,
            DianTestSet.family == family_of_set(Kind(row.kind)),
            DianTestSet.created_at < row.issued_at + timedelta(seconds=1),
        )
        .order_by(DianTestSet.created_at.desc())
        .limit(1)
    )
    return code or ""


async def _version(work: Work, row: Document, number: int, uuid: str) -> Version:
    kind, content = row.kind, row.content
    if number > 1:
        kind, content = (
            await work.session.execute(
                select(DocumentVersion.kind, DocumentVersion.content).where(
                    DocumentVersion.tenant_id == work.tenant_id,
                    DocumentVersion.document_id == row.id,
                    DocumentVersion.version == number,
                )
            )
        ).one()
    return Version(number, Kind(kind), uuid, msgspec.structs.replace(thaw(content.encode()), number=row.number))
