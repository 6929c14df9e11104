"""What a company issues with, as of this instant: read in one row, turned into the parts of a frozen document."""

from datetime import date
from decimal import Decimal
from typing import Final, Literal
from uuid import UUID

import msgspec

from app.domain.invoicing.identify import Keys
from app.domain.invoicing.kinds import Environment, Kind
from app.domain.invoicing.lists import address_in_colombia
from app.domain.invoicing.model import FINAL_CONSUMER, NIT, Address, NumberingRange, Party, Software
from app.domain.invoicing.vault import KEY_AGAIN, PIN_AGAIN, Vault
from app.lib.nit import check_digit

_ORGANIZATION: Final[dict[str, Literal["1", "2"]]] = {"company": "1", "person": "2"}


class _Software(msgspec.Struct):
    id: str
    pin: str
    name: str
    provider_nit: str
    maker: str
    maker_person: str


class _Issuer(msgspec.Struct):
    name: str
    nit: str
    dv: str
    organization: str
    tribute: str
    responsibilities: tuple[str, ...]
    address: str
    municipality_code: str
    postal_code: str
    phone: str
    email: str
    trade_name: str
    activities: tuple[str, ...]
    merchant_register: str


class _Buyer(msgspec.Struct):
    organization: str | None
    identification_type: str | None
    identification: str | None
    dv: str | None
    name: str | None
    email: str | None
    phone: str | None
    address: str | None
    municipality_code: str | None
    tribute: str | None
    responsibilities: tuple[str, ...] | None
    is_final_consumer: bool | None


class Place(msgspec.Struct):
    """Where a till stands."""

    register: str
    branch: str
    address: str


class Numbers(msgspec.Struct):
    """A range that has numbers left."""

    id: UUID
    kind: Kind
    authorization_no: str
    prefix: str
    first_no: int
    last_no: int
    valid_from: date
    valid_to: date
    technical_key: str | None

    def as_frozen(self) -> NumberingRange | None:
        """As a document carries it; nothing for the own consecutive of a note."""
        if not self.authorization_no:
            return None
        return NumberingRange(
            authorization=self.authorization_no,
            prefix=self.prefix,
            first=self.first_no,
            last=self.last_no,
            valid_from=self.valid_from,
            valid_to=self.valid_to,
        )


class Issuing(msgspec.Struct):
    """As `fragments.ISSUING` reads it."""

    environment: Environment
    sale_document: str
    software: _Software
    issuer: _Issuer
    buyer: _Buyer
    place: Place | None
    ranges: list[Numbers] | None
    tributes: dict[str, tuple[str | None, str | None]]
    """Tax class to DIAN's codes of its percentage and of its pesos per unit."""
    uvt: Decimal
    """Pesos, of the day's year."""
    pos_uvt: Decimal
    """UVT before taxes up to which a sale may be a POS document."""

    @property
    def pos_limit(self) -> Decimal:
        return self.uvt * self.pos_uvt

    def numbers(self, kind: Kind) -> Numbers | None:
        """Where the next number of a kind comes from."""
        return next((each for each in self.ranges or () if each.kind is kind), None)

    def keys(self, vault: Vault, tenant_id: UUID, numbers: Numbers | None) -> Keys:
        """The secrets that identify a document of this range. Raises `SecretsUnreadable`."""
        sealed = numbers.technical_key if numbers is not None else None
        pin = vault.open_or_say(tenant_id, bytes.fromhex(self.software.pin), PIN_AGAIN)
        if numbers is None or not sealed:
            return Keys(pin=pin)
        return Keys(
            pin=pin,
            technical_key=vault.open_or_say(
                tenant_id, bytes.fromhex(sealed), KEY_AGAIN.format(prefix=numbers.prefix or numbers.authorization_no)
            ),
        )

    def as_software(self) -> Software:
        nit = self.software.provider_nit or self.issuer.nit
        return Software(
            id=self.software.id,
            provider_nit=nit,
            provider_dv=check_digit(nit),
            name=self.software.name,
            maker=self.software.maker,
            maker_person=self.software.maker_person,
        )

    def as_issuer(self) -> Party:
        who = self.issuer
        return Party(
            organization=_ORGANIZATION[who.organization],
            identification_type=NIT,
            identification=who.nit,
            dv=who.dv,
            name=who.name,
            trade_name=who.trade_name,
            responsibilities=who.responsibilities,
            tribute=who.tribute,
            address=_address(who.address, who.municipality_code, who.postal_code),
            email=who.email,
            phone=who.phone,
            activities=who.activities,
            merchant_register=who.merchant_register,
        )

    def as_buyer(self) -> Party:
        """The customer; consumidor final when there is none."""
        who = self.buyer
        if who.identification is None or who.is_final_consumer:
            return FINAL_CONSUMER
        return Party(
            organization=_ORGANIZATION[who.organization or "person"],
            identification_type=who.identification_type or "",
            identification=who.identification,
            dv=who.dv,
            name=who.name or "",
            responsibilities=who.responsibilities or ("R-99-PN",),
            tribute=who.tribute or "ZZ",
            address=_address(who.address or "", who.municipality_code or ""),
            email=who.email or "",
            phone=who.phone or "",
        )


def _address(line: str, municipality_code: str, postal_code: str = "") -> Address | None:
    if not line or not municipality_code:
        return None
    return address_in_colombia(line, municipality_code, postal_code)


_DECODER: Final = msgspec.json.Decoder(Issuing)


def read_issuing(found: str | bytes | None) -> Issuing | None:
    """The row's JSON; None for a company that issues nothing."""
    return None if found is None else _DECODER.decode(found)
