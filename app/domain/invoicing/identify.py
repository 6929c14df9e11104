"""CUFE, CUDE, CUDS, the software's security code and the QR: SHA-384 over frozen fields, and text.

In each of them the number comes first or last, and everything else is known before it: a transaction that learns the
number in SQL hashes there (`sha384(convert_to(number || tail, 'UTF8'))`) what `uuid_tail` and `security_head` prepared.
Formulas: Anexo técnico FEV 1.9 §11, DS 1.1, RADIAN.
"""

from decimal import ROUND_DOWN, Decimal
from hashlib import sha384
from typing import Final

import msgspec

from app.domain.invoicing.kinds import KINDS, Environment, Kind, Scheme
from app.domain.invoicing.model import Document, Identity

IVA: Final = "01"
INC: Final = "04"
ICA: Final = "03"
_CENT: Final = Decimal("0.01")
_PAGES: Final[dict[Environment, str]] = {
    "1": "https://catalogo-vpfe.dian.gov.co/document/searchqr?documentkey=",
    "2": "https://catalogo-vpfe-hab.dian.gov.co/document/searchqr?documentkey=",
}


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """The secrets of an identity. Not part of any frozen copy."""

    pin: str
    """Of the software."""
    technical_key: str = ""
    """Of the numbering range."""

    def __repr__(self) -> str:
        return "Keys(…)"


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What identifies a document, but for its number."""

    scheme: Scheme
    environment: Environment
    date: str
    """`YYYY-MM-DD`."""
    time: str
    """`HH:MM:SS-05:00`."""
    net: Decimal
    """Sum of the lines, without taxes."""
    payable: Decimal
    seller: str
    """Identification without check digit."""
    buyer: str
    iva: Decimal = Decimal(0)
    inc: Decimal = Decimal(0)
    ica: Decimal = Decimal(0)
    taxes: Decimal = Decimal(0)
    """All of them, also those that do not enter the digest."""


def figures_of(document: Document) -> Figures:
    """The figures that a document is identified by."""
    totals = document.totals
    return Figures(
        scheme=document.fixed.scheme,
        environment=document.environment,
        date=document.issue_date,
        time=document.issue_time,
        net=totals.lines,
        payable=totals.payable,
        seller=document.seller.identification,
        buyer=document.buyer.identification,
        iva=totals.tax(IVA),
        inc=totals.tax(INC),
        ica=totals.tax(ICA),
        taxes=sum((total.amount for total in totals.taxes), start=Decimal(0)),
    )


def plain(amount: Decimal) -> str:
    """Two decimals, a point, no grouping; more decimals are cut, never rounded."""
    return f"{amount.quantize(_CENT, rounding=ROUND_DOWN):f}"


def uuid_tail(figures: Figures, key: str) -> str:
    """What follows the number in the composition. `key` is the technical key for a CUFE, the PIN for the others."""
    f = figures
    head = f"{f.date}{f.time}{plain(f.net)}{IVA}{plain(f.iva)}"
    if f.scheme != "CUDS-SHA384":
        head += f"{INC}{plain(f.inc)}{ICA}{plain(f.ica)}"
    return f"{head}{plain(f.payable)}{f.seller}{f.buyer}{key}{f.environment}"


def uuid_of(number: str, figures: Figures, key: str) -> str:
    """CUFE, CUDE or CUDS of a document: 96 hexadecimal digits in lower case."""
    return _digest(number + uuid_tail(figures, key))


def event_uuid(
    *,
    number: str,
    date: str,
    time: str,
    sender: str,
    receiver: str,
    event: str,
    reference: str,
    reference_type: str,
    pin: str,
) -> str:
    """CUDE of a RADIAN event; the only one without the digit of the environment."""
    return _digest(f"{number}{date}{time}{sender}{receiver}{event}{reference}{reference_type}{pin}")


def security_head(software_id: str, pin: str) -> str:
    """What comes before the number in the software's security code."""
    return software_id + pin


def security_code(number: str, software_id: str, pin: str) -> str:
    """Proof that the registered software made this document."""
    return _digest(security_head(software_id, pin) + number)


def page_url(uuid: str, environment: Environment) -> str:
    """DIAN's public page of a document."""
    return _PAGES[environment] + uuid


def qr_text(number: str, figures: Figures, uuid: str) -> str:
    """Text of the printed QR, one item a line."""
    f = figures
    url = page_url(uuid, f.environment)
    items: tuple[tuple[str, str], ...]
    if f.scheme == "CUDS-SHA384":
        items = (
            ("NumDS", number),
            ("FecDS", f.date),
            ("HorDS", f.time),
            ("NumSNO", f.seller),
            ("DocAdq", f.buyer),
            ("ValDS", plain(f.net)),
            ("ValIva", plain(f.iva)),
            ("ValTolDS", plain(f.payable)),
            ("CUDS", uuid),
            ("QRCode", url),
        )
    else:
        items = (
            ("NumFac", number),
            ("FecFac", f.date),
            ("HorFac", f.time),
            ("NitFac", f.seller),
            ("DocAdq", f.buyer),
            ("ValFac", plain(f.net)),
            ("ValIva", plain(f.iva)),
            ("ValOtroIm", plain(f.taxes - f.iva)),
            ("ValTolFac", plain(f.payable)),
            (f.scheme.partition("-")[0], uuid),
            ("QRCode", url),
        )
    return "\n".join(f"{name}: {value}" for name, value in items)


def key_of(kind: Kind, keys: Keys) -> str:
    """Which of the two keys a kind is identified with. Raises `ValueError` when the range's technical key is not known."""
    if not KINDS[kind].uses_technical_key:
        return keys.pin
    if not keys.technical_key:
        raise ValueError(f"a document of type {kind} needs the technical key of its range")
    return keys.technical_key


def identify(document: Document, keys: Keys) -> Identity:
    """Everything that is computed over a document; deterministic, so that it can be checked later."""
    figures = figures_of(document)
    uuid = uuid_of(document.number, figures, key_of(document.kind, keys))
    return Identity(
        uuid=uuid,
        security_code=security_code(document.number, document.software.id, keys.pin),
        url=page_url(uuid, document.environment),
        qr=qr_text(document.number, figures, uuid),
    )


def _digest(text: str) -> str:
    return sha384(text.encode()).hexdigest()
