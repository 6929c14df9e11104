"""Bodies of electronic documents."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.lib.money import SomeUnits, ZeroOrMorePesos, ZeroOrMorePrice
from app.lib.schemas import Input, Output, Page
from app.lib.text import LINE, NAME

EnvironmentName = Literal["production", "habilitation"]
SaleDocument = Literal["auto", "invoice"]
RangeKind = Literal["01", "03", "05", "20", "91", "92", "93", "94", "95"]
"""Kinds with numbers of their own; an export (02) and the contingencies of DIAN (04, 08) use those of what they replace."""
IssuedKind = Literal["02", "03", "05", "91", "92", "93", "94", "95"]
Family = Literal["invoice", "pos", "support"]
Prefix = Annotated[str, Meta(max_length=4, pattern=r"^[A-Za-z0-9]*$(?!\n)", examples=["SETP"])]
Nit = Annotated[str, Meta(pattern=r"^[0-9]{6,10}$(?!\n)", description="Sin dígito de verificación.")]
Number = Annotated[int, Meta(ge=1, le=999_999_999)]
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=NAME)]
Line = Annotated[str, Meta(max_length=300, pattern=LINE)]
SoftwareId = Annotated[
    str,
    Meta(
        pattern=r"^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?$(?!\n)",
        description="UUID del portal de la DIAN.",
        examples=["11111111-2222-3333-4444-555555555555"],
    ),
]
Minutes = Annotated[
    int, Meta(ge=5, le=1440, description="Sin respuesta de la DIAN, tras los que se declara su contingencia.")
]
Pin = Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^[!-~]+$(?!\n)", examples=["12345"])]


class PutDianSettings(Input):
    """Everything that says how the company issues. The PIN is only written; absent, the earlier one stays."""

    environment: EnvironmentName
    is_enabled: bool
    software_id: SoftwareId
    software_pin: Pin | None = None
    sale_document: SaleDocument = "auto"
    software_name: Name = "Mostrador"
    provider_nit: Annotated[str, Meta(pattern=r"^([0-9]{6,10})?$(?!\n)", description="Vacío: software propio.")] = ""
    maker: Name = "Mostrador"
    maker_person: Name = "Mostrador"
    contingency_after: Minutes | None = None
    confirm_environment: bool = False
    """Said by who begins to issue in production, or goes back to testing while issuing there."""


class CertificateOut(Output):
    """The certificate that signs; its key is never shown."""

    subject: str
    issuer: str
    serial: str
    not_before: datetime
    not_after: datetime
    is_chain_complete: bool
    days_left: int
    installed_at: datetime


class DianSettingsOut(Output):
    environment: EnvironmentName
    is_enabled: bool
    software_id: str
    has_software_pin: bool
    sale_document: str
    software_name: str
    provider_nit: str
    maker: str
    maker_person: str
    contingency_after: int | None
    certificate: CertificateOut | None


class PutCertificate(Input):
    """A .p12 or .pfx in base64, with what opens it."""

    file: Annotated[str, Meta(max_length=360_000, description="El archivo, en base64.", examples=["MIIKXAIBAzCC"])]
    password: Annotated[str, Meta(max_length=200)]


class ReadinessItem(Output):
    """One thing that issuing needs."""

    code: str
    detail: str
    place: str
    """Where it is mended: company, software, certificate, range, contingency."""
    is_ready: bool
    blocks: bool
    """Without it nothing can be issued; otherwise only a warning."""


class ReadinessOut(Output):
    is_ready: bool
    is_enabled: bool
    items: list[ReadinessItem]


class CreateRange(Input):
    """An authorisation, as the resolution says it; of notes, the own consecutive."""

    kind: RangeKind
    prefix: Prefix
    first: Number
    last: Number
    authorization: Annotated[str, Meta(max_length=20, pattern=r"^[0-9]*$(?!\n)")] = ""
    authorized_on: date | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    technical_key: Annotated[str, Meta(max_length=100, pattern=r"^[!-~]*$(?!\n)")] | None = None
    next: Number | None = None
    """Where to go on, when another system used the first ones."""
    branch_id: UUID | None = None
    register_id: UUID | None = None
    id: UUID | None = None


class ChangeRange(Input):
    """Who uses it, whether it is used at all, and what the resolution says where it was typed wrong or renewed.

    What is absent stays as it is. Documents keep what they were issued with; a rejected one that is sent again takes this.
    """

    authorization: Annotated[str, Meta(min_length=1, max_length=20, pattern=r"^[0-9]+$(?!\n)")] | UnsetType = UNSET
    authorized_on: date | UnsetType | None = UNSET
    valid_from: date | UnsetType = UNSET
    valid_to: date | UnsetType = UNSET
    first: Number | UnsetType = UNSET
    last: Number | UnsetType = UNSET
    technical_key: Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[!-~]+$(?!\n)")] | UnsetType = UNSET
    branch_id: UUID | UnsetType | None = UNSET
    register_id: UUID | UnsetType | None = UNSET
    is_open: bool | UnsetType = UNSET


class RangeOut(Output):
    id: UUID
    kind: str
    kind_name: str
    environment: EnvironmentName
    authorization: str
    authorized_on: date | None
    prefix: str
    first: int
    last: int
    next: int
    left: int
    valid_from: date
    valid_to: date
    has_technical_key: bool
    branch_id: UUID | None
    register_id: UUID | None
    is_open: bool
    per_day: Decimal
    """Documents a day over the last thirty."""
    lasts_until: date | None
    """At that pace, or until its validity ends; null when it is not used."""
    warnings: list[str]


class RangePage(Page):
    items: list[RangeOut]
    import_asked_at: datetime | None
    import_read_at: datetime | None
    import_message: str


class RangePurpose(Input):
    """What the numbers of a prefix are for."""

    prefix: Prefix
    kind: Literal["01", "03", "05", "20"]


class ImportRanges(Input):
    """Read the ranges that DIAN has. It does not say what a range is for: one with technical key is of invoices."""

    kinds: Annotated[
        list[RangePurpose],
        Meta(max_length=50, description="Clase de documento de cada prefijo que no es de facturas."),
    ] = msgspec.field(default_factory=list)


class ImportOut(Output):
    """An import that was asked for; `GET /v1/dian/ranges` tells what became of it."""

    asked_at: datetime


class RuleOut(Output):
    """What DIAN said of a document, and what to do."""

    code: str
    text: str
    rejects: bool
    cause: str
    mend: str
    place: str


class DocumentSummaryOut(Output):
    id: UUID
    kind: str
    kind_name: str
    number: str
    status: str
    uuid: str
    issued_at: datetime
    payable: Decimal
    counterpart_name: str
    counterpart_identification: str
    sale_id: UUID | None
    return_id: UUID | None
    corrects_id: UUID | None
    is_test: bool


class DocumentPage(Page):
    items: list[DocumentSummaryOut]


class DocumentDetailOut(DocumentSummaryOut):
    environment: EnvironmentName
    version: int
    qr: str
    message: str
    rules: list[RuleOut]
    attempts: int
    next_at: datetime | None
    decided_at: datetime | None
    has_xml: bool
    has_response: bool


class EventOut(Output):
    id: UUID
    kind: str
    at: datetime
    detail: str
    user_id: UUID | None
    status_code: str
    http_status: int | None
    rules: list[RuleOut]


class EventPage(Page):
    items: list[EventOut]


class DocumentLine(Input):
    """A line of a document that no sale makes; amounts without taxes."""

    description: Annotated[str, Meta(min_length=1, max_length=300, pattern=NAME)]
    quantity: SomeUnits
    unit_price: ZeroOrMorePrice
    code: Annotated[str, Meta(min_length=1, max_length=50, pattern=NAME)]
    unit_code: Annotated[str, Meta(min_length=1, max_length=3)] = "94"
    discount: ZeroOrMorePesos | None = None
    tax_class: Annotated[str, Meta(max_length=40, description="Clase de impuesto; vacía: ninguno.")] = ""
    bought_on: date | None = None
    """Day of the purchase, for a documento soporte; the day of issue when absent."""


class PaperIn(Input):
    """The paper that a contingency document is transcribed from."""

    number: Annotated[str, Meta(min_length=1, max_length=40, pattern=NAME)]
    issued_on: date


class DeliveryIn(Input):
    """Terms of an export."""

    incoterm: Annotated[str, Meta(pattern=r"^[A-Z]{3}$(?!\n)", examples=["FOB"])]
    note: Line = ""


class ForeignAddress(Input):
    """Where a buyer abroad is, for an export."""

    line: Annotated[str, Meta(min_length=1, max_length=200, pattern=NAME)]
    city: Annotated[str, Meta(min_length=1, max_length=100, pattern=NAME)]
    country_code: Annotated[str, Meta(pattern=r"^[A-Z]{2}$(?!\n)")]


class IssueDocument(Input):
    """A document that no sale makes: 02 export, 03 from paper, 05 documento soporte, and notes.

    A note names what it corrects; the others name a customer, for a documento soporte the seller. A credit note of a sale
    (91, 94) takes from its price alone: goods come back through the sale's return or void.
    """

    kind: IssuedKind
    lines: Annotated[list[DocumentLine], Meta(min_length=1, max_length=2_000)]
    customer_id: UUID | None = None
    corrects_id: UUID | None = None
    concept: Annotated[str, Meta(pattern=r"^[1-6]$(?!\n)")] | None = None
    reason: Line = ""
    method: Literal["cash", "debit-card", "credit-card", "transfer", "check"] = "cash"
    due_on: date | None = None
    """Of a payment on credit."""
    paper: PaperIn | None = None
    delivery: DeliveryIn | None = None
    address: ForeignAddress | None = None
    notes: Annotated[list[Annotated[str, Meta(min_length=1, max_length=1000, pattern=NAME)]], Meta(max_length=20)] = (
        msgspec.field(default_factory=list)
    )
    id: UUID | None = None


class WithdrawDocument(Input):
    """Close a rejected document that nobody will send again."""

    reason: Annotated[str, Meta(min_length=1, max_length=300, pattern=NAME)]


class DeclareContingency(Input):
    """DIAN is away, as it announced. Without an end it lasts until it is ended."""

    reason: Annotated[str, Meta(min_length=1, max_length=300, pattern=NAME)]
    started_at: Annotated[datetime, Meta(tz=True)]
    ended_at: Annotated[datetime, Meta(tz=True)] | None = None
    id: UUID | None = None


class ContingencyOut(Output):
    id: UUID
    started_at: datetime
    ended_at: datetime | None
    reason: str
    is_automatic: bool
    pending: int
    """Documents issued inside it that DIAN does not have yet."""
    deadline: datetime | None
    """48 hours after its end."""


class ContingencyPage(Page):
    items: list[ContingencyOut]


Least = Annotated[int, Meta(ge=0, le=50)]


class StartHabilitation(Input):
    """Send a test set of DIAN's portal."""

    family: Family
    test_set_id: Annotated[str, Meta(min_length=1, max_length=60, pattern=r"^[!-~]+$(?!\n)")]
    invoices: Annotated[int, Meta(ge=1, le=50)] = 30
    credit_notes: Annotated[int, Meta(ge=0, le=50)] = 10
    debit_notes: Annotated[int, Meta(ge=0, le=50)] = 10
    least_invoices: Least | None = None
    """How many DIAN must accept, as its portal says; absent: all of them."""
    least_credit_notes: Least | None = None
    least_debit_notes: Least | None = None
    id: UUID | None = None


class HabilitationOut(Output):
    id: UUID
    family: str
    test_set_id: str
    status: str
    message: str
    wanted: int
    least: int
    """Documents that DIAN must accept."""
    sent: int
    accepted: int
    rejected: int
    not_needed: int
    """Closed because DIAN had accepted the set before it looked at them."""
    started_at: datetime
    finished_at: datetime | None


class HabilitationPage(Page):
    items: list[HabilitationOut]
