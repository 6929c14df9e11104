"""Tables of electronic documents."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import ClientCreated, DefaultBase, Editable, Money, TenantOwned, TenantRow

STATUSES = ("pending", "signed", "sent", "accepted", "rejected", "unknown", "withdrawn")
FINAL = ("accepted", "rejected", "withdrawn")
"""Nothing happens to them by itself any more."""
IN_FLIGHT = text("status IN ('pending','signed','sent','unknown')")
_ENVIRONMENT = "environment IN ('1','2')"
_KIND = "kind IN ('01','02','03','04','05','08','20','91','92','93','94','95')"


class LegalFigure(DefaultBase):
    """A number that the law changes, such as the UVT of a year, with its source. The last one not after the day holds."""

    __tablename__ = "legal_figure"

    name: Mapped[str] = mapped_column(primary_key=True)
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    value: Mapped[Money]
    source: Mapped[str]


class DianSetting(TenantOwned, Editable, DefaultBase):
    """How a company issues. Without a row, or not enabled, it issues nothing."""

    __tablename__ = "dian_setting"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        CheckConstraint(_ENVIRONMENT, name="environment"),
        CheckConstraint("sale_document IN ('auto','invoice')", name="sale_document"),
        CheckConstraint("NOT is_enabled OR (software_id <> '' AND software_pin IS NOT NULL)", name="enabled"),
        CheckConstraint("contingency_after > 0", name="contingency_after"),
    )

    environment: Mapped[str] = mapped_column(server_default="2")
    """1 production, 2 habilitación."""
    is_enabled: Mapped[bool] = mapped_column(server_default="false")
    sale_document: Mapped[str] = mapped_column(server_default="auto")
    """What a sale issues when nobody says: POS as far as the law allows, or always an invoice."""
    software_id: Mapped[str] = mapped_column(server_default="")
    software_pin: Mapped[bytes | None]
    """Sealed."""
    software_name: Mapped[str] = mapped_column(server_default="Mostrador")
    provider_nit: Mapped[str] = mapped_column(server_default="")
    """Who owns the software; empty: the company itself."""
    maker: Mapped[str] = mapped_column(server_default="Mostrador")
    maker_person: Mapped[str] = mapped_column(server_default="Mostrador")
    contingency_after: Mapped[int | None]
    """Minutes of silence of DIAN after which its contingency counts as declared; None: only a person declares it."""
    ranges_asked_at: Mapped[datetime | None]
    ranges_read_at: Mapped[datetime | None]
    ranges_message: Mapped[str] = mapped_column(server_default="")
    """What became of the last import of ranges."""


class DianCertificate(TenantRow, DefaultBase):
    """A certificate that signed or signs. Its key is forgotten with the next one; what it was stays."""

    __tablename__ = "dian_certificate"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        CheckConstraint("(sealed IS NOT NULL) = (retired_at IS NULL)", name="sealed"),
        Index("uq_dian_certificate_current", "tenant_id", unique=True, postgresql_where=text("retired_at IS NULL")),
    )

    subject: Mapped[str]
    issuer: Mapped[str]
    serial: Mapped[str]
    not_before: Mapped[datetime]
    not_after: Mapped[datetime]
    is_chain_complete: Mapped[bool]
    sealed: Mapped[bytes | None]
    """The .p12 with its password."""
    user_id: Mapped[UUID]
    retired_at: Mapped[datetime | None]


class DocumentRange(TenantRow, ClientCreated, DefaultBase):
    """An authorisation to number, or the own consecutive of a kind of note. Its next number is `DocumentCounter`."""

    __tablename__ = "document_range"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        ForeignKeyConstraint(["tenant_id", "branch_id"], ["branch.tenant_id", "branch.id"]),
        ForeignKeyConstraint(["tenant_id", "register_id"], ["cash_register.tenant_id", "cash_register.id"]),
        CheckConstraint(_ENVIRONMENT, name="environment"),
        CheckConstraint(_KIND, name="kind"),
        CheckConstraint("0 < first_no AND first_no <= last_no AND last_no <= 999999999", name="numbers"),
        CheckConstraint("valid_from <= valid_to", name="validity"),
        CheckConstraint("char_length(prefix) <= 4", name="prefix"),
        CheckConstraint("(kind IN ('91','92','93','94','95')) = (authorization_no = '')", name="authorization_no"),
        Index("ix_document_range_kind", "tenant_id", "environment", "kind"),
        Index(
            "uq_document_range_of_note",
            "tenant_id",
            "environment",
            "kind",
            unique=True,
            postgresql_where=text("authorization_no = '' AND retired_at IS NULL"),
        ),
        Index(
            "uq_document_range_begins",
            "tenant_id",
            "environment",
            "kind",
            "prefix",
            "first_no",
            unique=True,
            postgresql_where=text("retired_at IS NULL"),
        ),
    )

    kind: Mapped[str]
    environment: Mapped[str]
    authorization_no: Mapped[str]
    """Number of the resolution; empty for notes."""
    authorized_on: Mapped[date | None]
    prefix: Mapped[str]
    first_no: Mapped[int]
    last_no: Mapped[int]
    valid_from: Mapped[date]
    valid_to: Mapped[date]
    technical_key: Mapped[bytes | None]
    """Sealed; only invoices have one."""
    branch_id: Mapped[UUID | None]
    """None: for every branch."""
    register_id: Mapped[UUID | None]
    retired_at: Mapped[datetime | None]


class DocumentCounter(TenantOwned, DefaultBase):
    """The next number of a range: locked last, in the transaction that uses it."""

    __tablename__ = "document_counter"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "range_id"], ["document_range.tenant_id", "document_range.id"]),
        CheckConstraint("next_no <= last_no + 1", name="next_no"),
        {"postgresql_with": {"fillfactor": 50}},
    )

    range_id: Mapped[UUID] = mapped_column(primary_key=True)
    next_no: Mapped[int]
    last_no: Mapped[int]
    is_open: Mapped[bool] = mapped_column(server_default="true")


class Document(TenantRow, ClientCreated, DefaultBase):
    """An electronic document as it was issued and printed. Its life is `DocumentState`, its corrections `DocumentVersion`."""

    __tablename__ = "document"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "range_id"], ["document_range.tenant_id", "document_range.id"]),
        ForeignKeyConstraint(["tenant_id", "sale_id"], ["sale.tenant_id", "sale.id"]),
        ForeignKeyConstraint(["tenant_id", "return_id"], ["sale_return.tenant_id", "sale_return.id"]),
        ForeignKeyConstraint(["tenant_id", "corrects_id"], ["document.tenant_id", "document.id"]),
        CheckConstraint(_ENVIRONMENT, name="environment"),
        CheckConstraint(_KIND, name="kind"),
        UniqueConstraint("tenant_id", "range_id", "consecutive"),
        Index("uq_document_sale", "tenant_id", "sale_id", unique=True, postgresql_where=text("sale_id IS NOT NULL")),
        Index(
            "uq_document_return", "tenant_id", "return_id", unique=True, postgresql_where=text("return_id IS NOT NULL")
        ),
        Index("ix_document_corrects", "tenant_id", "corrects_id", postgresql_where=text("corrects_id IS NOT NULL")),
        Index("ix_document_issued", "tenant_id", "issued_at", "id"),
        # Exports have numbers of invoices.
        Index(
            "uq_document_number",
            "tenant_id",
            "number",
            "environment",
            text("replace(kind, '02', '01')"),
            unique=True,
        ),
    )

    kind: Mapped[str]
    environment: Mapped[str]
    range_id: Mapped[UUID]
    consecutive: Mapped[int]
    number: Mapped[str]
    sale_id: Mapped[UUID | None]
    return_id: Mapped[UUID | None]
    corrects_id: Mapped[UUID | None]
    branch_id: Mapped[UUID | None]
    counterpart_name: Mapped[str]
    counterpart_identification: Mapped[str]
    payable: Mapped[Money]
    issued_at: Mapped[datetime]
    uuid: Mapped[str]
    """CUFE, CUDE or CUDS as printed."""
    qr: Mapped[str]
    content: Mapped[str]
    """`model.Document` in JSON, but for its number: that is taken by the statement that writes the row."""
    is_test: Mapped[bool] = mapped_column(server_default="false")
    """Of a test set of the habilitación: of no sale."""
    user_id: Mapped[UUID]


class DocumentVersion(TenantOwned, DefaultBase):
    """A document made anew under its number: re-dated, as contingency, or corrected after a rejection. From 2."""

    __tablename__ = "document_version"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "document_id"], ["document.tenant_id", "document.id"]),
        CheckConstraint("version >= 2", name="version"),
        CheckConstraint("reason IN ('redated','contingency','corrected')", name="reason"),
    )

    document_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str]
    issued_at: Mapped[datetime]
    uuid: Mapped[str]
    qr: Mapped[str]
    content: Mapped[str]
    reason: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class DocumentState(TenantOwned, DefaultBase):
    """Mutable companion of a document: where it stands, and which worker has it."""

    __tablename__ = "document_state"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "document_id"], ["document.tenant_id", "document.id"]),
        CheckConstraint(f"status IN {STATUSES}", name="status"),
        CheckConstraint("version >= 1 AND attempts >= 0", name="counts"),
        UniqueConstraint("tenant_id", "uuid"),
        Index("ix_document_state_due", "tenant_id", "next_at", postgresql_where=IN_FLIGHT),
        {"postgresql_with": {"fillfactor": 80}},
    )

    document_id: Mapped[UUID] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(server_default="pending")
    kind: Mapped[str]
    """Of the current version: 01 becomes 04 in a contingency."""
    version: Mapped[int] = mapped_column(server_default="1")
    uuid: Mapped[str]
    """Of the current version."""
    attempts: Mapped[int] = mapped_column(server_default="0")
    """Calls without a result since the last one with any."""
    next_at: Mapped[datetime]
    """When the sweep looks after it, unless a job of its own was faster."""
    claim: Mapped[UUID | None]
    """The run that has it."""
    claimed_until: Mapped[datetime | None]
    zip_key: Mapped[str] = mapped_column(server_default="")
    """Of an asynchronous sending."""
    message: Mapped[str] = mapped_column(server_default="")
    rules: Mapped[list[dict[str, Any]]] = mapped_column(server_default=text("'[]'"))
    """What DIAN said of it last: code, text, rejects."""
    decided_at: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class DocumentEvent(TenantRow, DefaultBase):
    """One step of a document's life. Append-only."""

    __tablename__ = "document_event"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "document_id"], ["document.tenant_id", "document.id"]),
        Index("ix_document_event_document", "tenant_id", "document_id", "id"),
    )

    document_id: Mapped[UUID]
    kind: Mapped[str]
    """signed, sent, asked, accepted, rejected, unknown, refused, absent, redated, contingency, corrected, resend, withdrawn,
    late-paper; of its delivery wrapped, waits, mailed, mail-failed, mail-refused, mail-uncertain, bounced."""
    at: Mapped[datetime]
    detail: Mapped[str]
    data: Mapped[dict[str, Any]]
    """Status code, rules, HTTP status, UUIDs."""
    user_id: Mapped[UUID | None]


class DocumentFile(TenantRow, DefaultBase):
    """Signed XML, an answer of DIAN, the container or the PDF, byte for byte. Kept for ten years: the application cannot delete it."""

    __tablename__ = "document_file"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "document_id"], ["document.tenant_id", "document.id"]),
        CheckConstraint("kind IN ('xml','response','attached','pdf')", name="kind"),
        Index("ix_document_file_document", "tenant_id", "document_id", "id"),
        Index(
            "uq_document_file_xml",
            "tenant_id",
            "document_id",
            "version",
            unique=True,
            postgresql_where=text("kind = 'xml'"),
        ),
        Index(
            "uq_document_file_made",
            "tenant_id",
            "document_id",
            "version",
            "kind",
            unique=True,
            postgresql_where=text("kind IN ('attached','pdf')"),
        ),
    )

    document_id: Mapped[UUID]
    version: Mapped[int]
    kind: Mapped[str]
    name: Mapped[str]
    sha256: Mapped[bytes]
    size: Mapped[int]
    content: Mapped[bytes]


class DianFileCounter(TenantOwned, DefaultBase):
    """Consecutive of sent files, by family of names and year. Never used twice."""

    __tablename__ = "dian_file_counter"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        {"postgresql_with": {"fillfactor": 50}},
    )

    family: Mapped[str] = mapped_column(primary_key=True)
    year: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    next_no: Mapped[int] = mapped_column(server_default="1")


class DianCircuit(TenantOwned, DefaultBase):
    """Whether DIAN answers this company: calls that failed in a row, and since when nothing is sent any more."""

    __tablename__ = "dian_circuit"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        CheckConstraint("(opened_at IS NULL) = (probe_at IS NULL)", name="open"),
    )

    failures: Mapped[int] = mapped_column(server_default="0")
    failing_since: Mapped[datetime | None]
    opened_at: Mapped[datetime | None]
    probe_at: Mapped[datetime | None]
    """When one call may try again."""
    last_error: Mapped[str] = mapped_column(server_default="")


class DianContingency(TenantRow, ClientCreated, DefaultBase):
    """A time in which DIAN was declared away. Documents issued inside it go as contingency (rule CTG01)."""

    __tablename__ = "dian_contingency"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        CheckConstraint("ended_at > started_at", name="period"),
        Index("uq_dian_contingency_open", "tenant_id", unique=True, postgresql_where=text("ended_at IS NULL")),
    )

    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    reason: Mapped[str]
    is_automatic: Mapped[bool] = mapped_column(server_default="false")
    user_id: Mapped[UUID]


class DianTestSet(TenantRow, DefaultBase):
    """A test set of the habilitación on its way: what DIAN wants of it. Its documents are `is_test`."""

    __tablename__ = "dian_test_set"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        CheckConstraint("status IN ('running','accepted','failed')", name="status"),
        CheckConstraint("family IN ('invoice','pos','support')", name="family"),
        Index("uq_dian_test_set_running", "tenant_id", unique=True, postgresql_where=text("status = 'running'")),
    )

    family: Mapped[str]
    code: Mapped[str]
    """TestSetId of the portal."""
    status: Mapped[str] = mapped_column(server_default="running")
    invoices: Mapped[int]
    credit_notes: Mapped[int]
    debit_notes: Mapped[int]
    message: Mapped[str] = mapped_column(server_default="")
    user_id: Mapped[UUID]
    finished_at: Mapped[datetime | None]
