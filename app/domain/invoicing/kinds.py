"""The kinds of document that DIAN knows, with the values each one fixes (Anexos técnicos FEV 1.9, DEE 1.0 and DS 1.1)."""

from enum import StrEnum
from typing import Final, Literal

import msgspec

Root = Literal["Invoice", "CreditNote", "DebitNote"]
Scheme = Literal["CUFE-SHA384", "CUDE-SHA384", "CUDS-SHA384"]
Environment = Literal["1", "2"]
"""Production and habilitación, as DIAN numbers them."""
PRODUCTION: Final[Environment] = "1"
HABILITATION: Final[Environment] = "2"


class Kind(StrEnum):
    """Type of document, by DIAN's code."""

    INVOICE = "01"
    EXPORT = "02"
    PAPER_CONTINGENCY = "03"
    """Transcribed from the issuer's paper, after a failure of the issuer."""
    DIAN_CONTINGENCY = "04"
    """Issued while DIAN was out of service."""
    SUPPORT = "05"
    """Documento soporte: of a purchase from somebody who does not invoice."""
    POS_CONTINGENCY = "08"
    POS = "20"
    CREDIT_NOTE = "91"
    DEBIT_NOTE = "92"
    POS_DEBIT_NOTE = "93"
    POS_CREDIT_NOTE = "94"
    SUPPORT_NOTE = "95"


class Fixed(msgspec.Struct, frozen=True, kw_only=True):
    """What a kind decides by itself."""

    name: str
    """As people call it, in Spanish."""
    root: Root
    profile: str
    """`cbc:ProfileID`, a literal: accents, capitals, final dot and trailing blank count."""
    scheme: Scheme
    operation: str
    """`cbc:CustomizationID` unless the document says otherwise."""
    rules: str
    """Letters before the common part of a rule's code: `F` in `FAD06`."""
    file: str
    """Letters that begin the name of its file."""
    uses_technical_key: bool = False
    """Its identity is computed with the technical key of the range; otherwise with the PIN of the software."""
    is_numbered: bool = False
    """Numbered by an authorisation of DIAN; notes have a consecutive of their own."""
    corrects: tuple[Kind, ...] = ()

    @property
    def is_note(self) -> bool:
        return bool(self.corrects)


_INVOICE: Final = "DIAN 2.1: Factura Electrónica de Venta"
_POS: Final = "DIAN 2.1: Documento Equivalente POS"

KINDS: Final[dict[Kind, Fixed]] = {
    Kind.INVOICE: Fixed(
        name="Factura electrónica de venta",
        root="Invoice",
        profile=_INVOICE,
        scheme="CUFE-SHA384",
        operation="10",
        rules="F",
        file="fv",
        uses_technical_key=True,
        is_numbered=True,
    ),
    Kind.EXPORT: Fixed(
        name="Factura electrónica de exportación",
        root="Invoice",
        profile=_INVOICE,
        scheme="CUFE-SHA384",
        operation="10",
        rules="F",
        file="fv",
        uses_technical_key=True,
        is_numbered=True,
    ),
    Kind.PAPER_CONTINGENCY: Fixed(
        name="Factura de talonario por contingencia del facturador",
        root="Invoice",
        profile=_INVOICE,
        scheme="CUDE-SHA384",
        operation="10",
        rules="F",
        file="fv",
        is_numbered=True,
    ),
    Kind.DIAN_CONTINGENCY: Fixed(
        name="Factura electrónica por contingencia de la DIAN",
        root="Invoice",
        profile=_INVOICE,
        scheme="CUFE-SHA384",
        operation="10",
        rules="F",
        file="fv",
        uses_technical_key=True,
        is_numbered=True,
    ),
    Kind.POS: Fixed(
        name="Documento equivalente electrónico: tiquete de máquina registradora con sistema P.O.S.",
        root="Invoice",
        profile=_POS,
        scheme="CUDE-SHA384",
        operation="10",
        rules="DE",
        file="ds",
        is_numbered=True,
    ),
    Kind.POS_CONTINGENCY: Fixed(
        name="Documento equivalente electrónico P.O.S. por contingencia",
        root="Invoice",
        profile=_POS,
        scheme="CUDE-SHA384",
        operation="10",
        rules="DE",
        file="ds",
        is_numbered=True,
    ),
    Kind.SUPPORT: Fixed(
        name="Documento soporte en adquisiciones efectuadas a no obligados a facturar",
        root="Invoice",
        profile="DIAN 2.1: documento soporte en adquisiciones efectuadas a no obligados a facturar.",
        scheme="CUDS-SHA384",
        operation="10",
        rules="DS",
        file="ds",
        is_numbered=True,
    ),
    Kind.CREDIT_NOTE: Fixed(
        name="Nota crédito",
        root="CreditNote",
        profile="DIAN 2.1: Nota Crédito de Factura Electrónica de Venta",
        scheme="CUDE-SHA384",
        operation="20",
        rules="C",
        file="nc",
        corrects=(Kind.INVOICE, Kind.EXPORT, Kind.PAPER_CONTINGENCY, Kind.DIAN_CONTINGENCY),
    ),
    Kind.DEBIT_NOTE: Fixed(
        name="Nota débito",
        root="DebitNote",
        profile="DIAN 2.1: Nota Débito de Factura Electrónica de Venta",
        scheme="CUDE-SHA384",
        operation="30",
        rules="D",
        file="nd",
        corrects=(Kind.INVOICE, Kind.EXPORT, Kind.PAPER_CONTINGENCY, Kind.DIAN_CONTINGENCY),
    ),
    Kind.POS_CREDIT_NOTE: Fixed(
        name="Nota de ajuste crédito al documento equivalente",
        root="CreditNote",
        profile="DIAN 2.1: Nota de ajuste crédito al documento equivalente",
        scheme="CUDE-SHA384",
        operation="20",
        rules="NA",
        file="ncs",
        corrects=(Kind.POS, Kind.POS_CONTINGENCY),
    ),
    Kind.POS_DEBIT_NOTE: Fixed(
        name="Nota de ajuste débito al documento equivalente",
        root="DebitNote",
        profile="DIAN 2.1: Nota de ajuste débito al documento equivalente",
        scheme="CUDE-SHA384",
        operation="20",
        rules="NAD",
        file="ncs",
        corrects=(Kind.POS, Kind.POS_CONTINGENCY),
    ),
    Kind.SUPPORT_NOTE: Fixed(
        name="Nota de ajuste al documento soporte",
        root="CreditNote",
        profile=(
            "DIAN 2.1: Nota de ajuste al documento soporte en adquisiciones efectuadas a sujetos no obligados a expedir "
            "factura o documento equivalente "
        ),
        scheme="CUDS-SHA384",
        operation="10",
        rules="NS",
        file="nas",
        corrects=(Kind.SUPPORT,),
    ),
}

POS_KINDS: Final = frozenset({Kind.POS, Kind.POS_CONTINGENCY})
SUPPORT_KINDS: Final = frozenset({Kind.SUPPORT, Kind.SUPPORT_NOTE})
"""Those that the buyer issues."""
PAPER_KINDS: Final = frozenset({Kind.PAPER_CONTINGENCY, Kind.POS_CONTINGENCY})
"""Those that name the paper they were transcribed from."""

NUMBERED_AS: Final = {
    Kind.EXPORT: Kind.INVOICE,
    Kind.DIAN_CONTINGENCY: Kind.INVOICE,
    Kind.POS_CONTINGENCY: Kind.POS,
}
"""Kinds that use another's numbers."""
CONTINGENCY: Final = {Kind.INVOICE: Kind.DIAN_CONTINGENCY, Kind.POS: Kind.POS_CONTINGENCY}
"""What a kind becomes when it was issued while DIAN was declared away: same number, same UUID."""

OPERATIONS: Final[dict[Kind, frozenset[str]]] = {
    **dict.fromkeys(
        (Kind.INVOICE, Kind.EXPORT, Kind.PAPER_CONTINGENCY, Kind.DIAN_CONTINGENCY),
        frozenset({"10", "09", "11", "12", "13"}),
    ),
    **dict.fromkeys(POS_KINDS, frozenset({"10"})),
    **dict.fromkeys(SUPPORT_KINDS, frozenset({"10", "11"})),
    Kind.CREDIT_NOTE: frozenset({"20", "22", "23"}),
    Kind.DEBIT_NOTE: frozenset({"30", "32", "33"}),
    Kind.POS_CREDIT_NOTE: frozenset({"20"}),
    Kind.POS_DEBIT_NOTE: frozenset({"20"}),
}
"""Values of `cbc:CustomizationID` that each kind may carry; the health sector's are not issued."""
WITHOUT_REFERENCE: Final = frozenset({"22", "32"})
"""Operations of notes that name a period instead of a document."""

_CREDIT_CONCEPTS: Final = {
    "1": "Devolución parcial de los bienes y/o no aceptación parcial del servicio",
    "2": "Anulación de factura electrónica",
    "3": "Rebaja o descuento parcial o total",
    "4": "Ajuste de precio",
    "5": "Descuento comercial por pronto pago",
    "6": "Descuento comercial por volumen de ventas",
}
_DEBIT_CONCEPTS: Final = {"1": "Intereses", "2": "Gastos por cobrar", "3": "Cambio del valor", "4": "Otros"}
_POS_CONCEPTS: Final = {
    "1": "Devolución parcial",
    "2": "Anulación del documento equivalente electrónico",
    "3": "Rebaja o descuento parcial o total",
    "4": "Ajuste de precio",
    "5": "Otros",
}
CONCEPTS: Final[dict[Kind, dict[str, str]]] = {
    Kind.CREDIT_NOTE: _CREDIT_CONCEPTS,
    Kind.DEBIT_NOTE: _DEBIT_CONCEPTS,
    Kind.POS_CREDIT_NOTE: _POS_CONCEPTS,
    Kind.POS_DEBIT_NOTE: _POS_CONCEPTS,
    Kind.SUPPORT_NOTE: {
        "1": "Devolución parcial de los bienes y/o no aceptación parcial del servicio",
        "2": "Anulación del documento soporte",
        "3": "Rebaja o descuento parcial o total",
        "4": "Ajuste de precio",
        "5": "Otros",
    },
}
"""Why a note corrects, by kind of note."""
ANNULMENT: Final = "2"
OF_RETURNS: Final = frozenset({"1", ANNULMENT})
"""Concepts of goods that come back: of a sale, only its return or void makes these."""

KINDS_OF_SET: Final[dict[str, tuple[Kind, Kind, Kind | None]]] = {
    "invoice": (Kind.INVOICE, Kind.CREDIT_NOTE, Kind.DEBIT_NOTE),
    "pos": (Kind.POS, Kind.POS_CREDIT_NOTE, Kind.POS_DEBIT_NOTE),
    "support": (Kind.SUPPORT, Kind.SUPPORT_NOTE, None),
}
"""What a test set of the habilitación is made of, by family: documents, their credit and their debit notes."""


def family_of_set(kind: Kind) -> str:
    """Family of the test set that a kind belongs to. Raises `StopIteration` for a kind of none."""
    return next(family for family, kinds in KINDS_OF_SET.items() if kind in kinds)
