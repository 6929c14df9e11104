"""The frozen copy of a document: everything its XML, its identity and its printed form are made of, and no secret.

It is written once, in the transaction that takes the number, and read for ten years: fields are only ever added, with a
default. Pesos have two decimals, unit prices and quantities up to six; percentages are `19.00`, not `0.19`.
"""

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Final, Literal

import msgspec

from app.domain.invoicing.kinds import KINDS, SUPPORT_KINDS, Environment, Fixed, Kind
from app.lib.schemas import encode_special

BOGOTA: Final = timezone(timedelta(hours=-5))
"""Colombia's legal time, all year and for DIAN always."""
NIT: Final = "31"
FINAL_CONSUMER_ID: Final = "222222222222"


class Frozen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A piece of the frozen copy."""


class Address(Frozen, frozen=True, kw_only=True):
    """Where a party is. Codes are DIVIPOLA's."""

    line: str
    municipality_code: str = ""
    city: str = ""
    department_code: str = ""
    department: str = ""
    postal_code: str = ""
    country_code: str = "CO"
    country: str = "Colombia"


class Party(Frozen, frozen=True, kw_only=True):
    """Issuer or counterpart, as of the day of the document."""

    organization: Literal["1", "2"]
    """1 legal person, 2 natural person."""
    identification_type: str
    """DIAN code: 13 cédula, 31 NIT, …"""
    identification: str
    """Without the check digit."""
    name: str
    """Of the RUT: accents and blanks count."""
    dv: str | None = None
    trade_name: str = ""
    responsibilities: tuple[str, ...] = ("R-99-PN",)
    tribute: str = "ZZ"
    """01 IVA, 04 INC, ZA both, ZZ none."""
    address: Address | None = None
    email: str = ""
    phone: str = ""
    activities: tuple[str, ...] = ()
    """CIIU codes."""
    merchant_register: str = ""
    """Matrícula mercantil."""
    first_name: str = ""
    family_name: str = ""

    @property
    def is_final_consumer(self) -> bool:
        return self.identification == FINAL_CONSUMER_ID


FINAL_CONSUMER: Final = Party(
    organization="2", identification_type="13", identification=FINAL_CONSUMER_ID, name="consumidor final"
)


class Software(Frozen, frozen=True, kw_only=True):
    """The program registered at DIAN. Its PIN is a secret and lives elsewhere."""

    id: str
    """UUID of the portal."""
    provider_nit: str
    """Who owns it: the issuer itself for own software."""
    provider_dv: str
    name: str = ""
    maker: str = ""
    """Company that made it."""
    maker_person: str = ""


class NumberingRange(Frozen, frozen=True, kw_only=True):
    """An authorisation, exactly as GetNumberingRange returns it, without its technical key."""

    authorization: str
    prefix: str
    first: int
    last: int
    valid_from: date
    valid_to: date


class PointOfSale(Frozen, frozen=True, kw_only=True):
    """Where a POS document was made."""

    plate: str
    location: str
    cashier: str
    kind: str
    sale_code: str
    buyer_code: str = ""
    """Of the loyalty programme; without one the buyer's identification stands."""
    buyer_points: str = "0"


class Tax(Frozen, frozen=True, kw_only=True):
    """A tax of one line, or of all lines that share its rate."""

    code: str
    """01 IVA, 04 INC, 22 INC Bolsas, …"""
    amount: Decimal
    percent: Decimal | None = None
    """Of `base`; none for a tax of pesos per unit."""
    base: Decimal | None = None
    units: Decimal | None = None
    """For a tax of pesos per unit."""
    per_unit: Decimal | None = None
    unit_code: str = "94"


class TaxTotal(Frozen, frozen=True, kw_only=True):
    """One tax of the whole document, with its rates."""

    code: str
    amount: Decimal
    rates: tuple[Tax, ...]


class Allowance(Frozen, frozen=True, kw_only=True):
    """A discount, or a charge. On a line it changes the taxable base, on the document it does not."""

    amount: Decimal
    base: Decimal
    percent: Decimal
    """Of `base`."""
    reason: str
    is_charge: bool = False
    reason_code: str = ""
    """00 unconditional, 01 conditional; for discounts of the document."""


class Line(Frozen, frozen=True, kw_only=True):
    """One line, before taxes."""

    code: str
    description: str
    quantity: Decimal
    unit_price: Decimal
    """Pesos of one unit without taxes, before discounts."""
    amount: Decimal
    """Pesos of the line after its discounts, without taxes."""
    unit_code: str = "94"
    code_scheme: str = "999"
    """001 UNSPSC, 010 GTIN, 020 partida arancelaria, 999 own."""
    allowances: tuple[Allowance, ...] = ()
    taxes: tuple[Tax, ...] = ()
    note: str = ""
    brand: str = ""
    model: str = ""
    reference_price: Decimal | None = None
    """Commercial value of one unit given away."""
    bought_on: date | None = None
    """Day of the operation, for a documento soporte."""


class Totals(Frozen, frozen=True, kw_only=True):
    """Pesos of the document."""

    lines: Decimal
    """Sum of the lines, without taxes."""
    taxable: Decimal
    taxed: Decimal
    """`lines` with all taxes."""
    payable: Decimal
    allowances: Decimal = Decimal("0.00")
    charges: Decimal = Decimal("0.00")
    prepaid: Decimal = Decimal("0.00")
    """Informative: never subtracted (FAU14 of annex 1.9)."""
    taxes: tuple[TaxTotal, ...] = ()
    withholdings: tuple[TaxTotal, ...] = ()
    """Informative; of issuers that withhold from themselves."""

    def tax(self, code: str) -> Decimal:
        """Pesos of one tax; 0.00 when there is none."""
        return next((total.amount for total in self.taxes if total.code == code), Decimal("0.00"))


class Payment(Frozen, frozen=True, kw_only=True):
    """How it is paid."""

    means: str
    """10 cash, 48 credit card, 49 debit card, 47 transfer, …"""
    form: Literal["1", "2"] = "1"
    """1 contado, 2 crédito."""
    due_on: date | None = None
    reference: str = ""


class Reference(Frozen, frozen=True, kw_only=True):
    """The document that a note corrects."""

    kind: Kind
    number: str
    uuid: str
    issued_on: date


class Correction(Frozen, frozen=True, kw_only=True):
    """Why a note exists."""

    concept: str
    reference: Reference | None = None
    description: str = ""
    """Of the concept, unless it is said otherwise."""
    period: tuple[date, date] | None = None
    """First and last day, for a note without reference."""


class Paper(Frozen, frozen=True, kw_only=True):
    """What a contingency document was transcribed from."""

    number: str
    issued_on: date
    type_code: str = "FTC"


class Delivery(Frozen, frozen=True, kw_only=True):
    """Terms of an export."""

    incoterm: str
    note: str = ""


class Document(Frozen, frozen=True, kw_only=True):
    """A document, whole."""

    kind: Kind
    environment: Environment
    number: str
    """Prefix and consecutive."""
    prefix: str
    issued_at: datetime
    """The instant that is printed, sent and signed: whole seconds."""
    issuer: Party
    counterpart: Party
    """Buyer; for a documento soporte, the seller."""
    software: Software
    lines: tuple[Line, ...]
    totals: Totals
    payments: tuple[Payment, ...]
    range: NumberingRange | None = None
    operation: str = ""
    """`cbc:CustomizationID`, unless it is the kind's usual one."""
    notes: tuple[str, ...] = ()
    currency: str = "COP"
    allowances: tuple[Allowance, ...] = ()
    order: str = ""
    """Number of the buyer's purchase order."""
    correction: Correction | None = None
    paper: Paper | None = None
    point_of_sale: PointOfSale | None = None
    delivery: Delivery | None = None

    @property
    def fixed(self) -> Fixed:
        return KINDS[self.kind]

    @property
    def operation_code(self) -> str:
        return self.operation or self.fixed.operation

    @property
    def local_time(self) -> datetime:
        """The instant of issue in Colombia's legal time."""
        return self.issued_at.astimezone(BOGOTA)

    @property
    def issue_date(self) -> str:
        return self.local_time.strftime("%Y-%m-%d")

    @property
    def issue_time(self) -> str:
        return self.local_time.strftime("%H:%M:%S-05:00")

    @property
    def seller(self) -> Party:
        return self.counterpart if self.kind in SUPPORT_KINDS else self.issuer

    @property
    def buyer(self) -> Party:
        return self.issuer if self.kind in SUPPORT_KINDS else self.counterpart


class Identity(Frozen, frozen=True, kw_only=True):
    """What is computed over a document and its keys; frozen with it."""

    uuid: str
    """CUFE, CUDE or CUDS."""
    security_code: str
    url: str
    """DIAN's page of the document."""
    qr: str
    """Text of the printed code."""


class Validation(Frozen, frozen=True, kw_only=True):
    """DIAN's answer to the document."""

    response: bytes
    """The signed ApplicationResponse, as it came."""
    validated_at: datetime


FREEZER: Final = msgspec.json.Encoder(enc_hook=encode_special)
"""Writes the frozen copy; Decimals become strings."""
_THAW: Final = msgspec.json.Decoder(Document)


def thaw(frozen: bytes) -> Document:
    """Read a frozen copy. Raises `msgspec.ValidationError`."""
    return _THAW.decode(frozen)
