"""Bodies of what buyers get."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from app.lib.schemas import Input, Output, Page
from app.lib.text import LINE

Mails = Literal["all", "invoices", "none"]
Address = Annotated[
    str,
    Meta(
        max_length=254,
        pattern=r"^[^@\s<>\",;:()\x00-\x1f\x7f-\U0010ffff]+@[^@\s<>\",;:()\x00-\x1f\x7f-\U0010ffff]+\.[^@\s<>\",;:()\x00-\x1f\x7f-\U0010ffff]+$(?!\n)",
        examples=["compras@cliente.co"],
    ),
]


class PutDeliverySettings(Input):
    """How documents go to buyers by themselves, once DIAN accepted them."""

    mails: Annotated[
        Mails,
        Meta(description="all: todo, a quien dejó correo; invoices: sin tiquetes P.O.S. ni sus notas; none: nada."),
    ] = "all"
    attach_pdf: bool = True
    line_of_business: Annotated[
        str,
        Meta(
            max_length=60, pattern=LINE, description="Última parte del asunto, para quien clasifica su correo por ella."
        ),
    ] = ""


class DeliverySettingsOut(Output):
    mails: str
    attach_pdf: bool
    line_of_business: str


class DeliverDocument(Input):
    """Send a document to its buyer once more, or to another address."""

    to: Annotated[Address, Meta(description="Vacío: el correo que quedó en el documento.")] | None = None
    id: UUID | None = None


class DeliveryOut(Output):
    id: UUID
    document_id: UUID
    number: str
    """Of the document."""
    to: str
    is_automatic: bool
    status: str
    """pending, sending, sent, refused by the server, failed after many tries, uncertain, bounced."""
    attempts: int
    message: str
    asked_at: datetime
    sent_at: datetime | None


class DeliveryPage(Page):
    items: list[DeliveryOut]


class ArchivedFileOut(Output):
    """A file of the archive, without its bytes."""

    id: UUID
    kind: str
    """xml signed document, response of DIAN, attached container, provisional container of a contingency, pdf."""
    version: int
    name: str
    size: int
    sha256: str
    kept_at: datetime


class ArchivedFilePage(Page):
    items: list[ArchivedFileOut]
