"""One mailing on its way: the file made, the message handed over, and what became of it written down.

A message cannot be taken back, and a mail server may take it without saying so. What is about to go over is written down
first: whoever finds that afterwards, without a result, leaves the mailing `uncertain` for a person, and sends nothing twice.
"""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import update
from uuid_utils.compat import uuid7

from app.db.jobs import JobContext
from app.db.session import Work
from app.domain.invoicing.deliveries import WAITS_FOR_CERTIFICATE, ask_mail, wait_for_certificate
from app.domain.invoicing.delivery_models import DeliverySetting, DeliveryState, DocumentDelivery
from app.domain.invoicing.kept import Standing, kept_file, note, standing
from app.domain.invoicing.kinds import HABILITATION
from app.domain.invoicing.model import BOGOTA
from app.domain.invoicing.signer import CannotSign
from app.domain.invoicing.wrapping import NoAnswerKept, Wrapping
from app.integrations.dian.files import pack
from app.integrations.mail import Mail, MailRefused, MailUnavailable
from app.integrations.mail.parcels import Attachment, MailUncertain, Parcel, hand_over
from app.integrations.mail.templating import write_mail
from app.lib import clock
from app.lib.pesos import format_pesos

_LOG = structlog.stdlib.get_logger("mostrador.invoicing")

LARGEST: Final = 2_000_000
"""Bytes of the zip (AT19 §9.1: 2 MB)."""
HELD: Final = timedelta(seconds=75)
"""Longer than a run may take: only a killed one leaves its claim behind."""
WAITS: Final = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 360, 720, 1440, 1440))
"""Between tries while the mail server is away; after the last one it is failed."""
_MOST: Final = 2 * len(WAITS)
_HOPELESS: Final = "El correo no salió, después de muchos intentos: pídalo otra vez o llame a soporte."
_UNCERTAIN: Final = "No se sabe si el correo llegó: pregúntele al cliente antes de enviarlo otra vez."


class _Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """A mailing that this run has."""

    delivery: DocumentDelivery
    document: Standing
    claim: UUID
    attempts: int


class Mailing:
    """One run with one mailing."""

    def __init__(self, context: JobContext, delivery_id: UUID) -> None:
        self._context = context
        self._id = delivery_id
        self._claim = uuid7()

    async def run(self) -> None:
        """Bring the mailing as far as it goes. What comes next is asked for by itself."""
        async with self._context.transaction() as work:
            claimed = await self._take(work, clock.now())
        if claimed is None:
            return
        try:
            if not await Wrapping(self._context, claimed.document.row.id).run():
                async with self._context.transaction() as work:
                    await self._again(work, claimed, "El documento todavía no está firmado.")
                return
        except NoAnswerKept as problem:
            async with self._context.transaction() as work:
                await self._again(work, claimed, _short(problem))
            return
        except CannotSign as problem:
            async with self._context.transaction() as work:
                if await self._settle(work, status="pending", message=str(problem)):
                    await wait_for_certificate(work, claimed.document.row.id, str(problem))
                    ask_mail(work, self._id, WAITS_FOR_CERTIFICATE)
            return
        async with self._context.transaction() as work:
            parcel = await self._pack(work, claimed)
            if parcel is None:
                await self._end(
                    work, claimed, "failed", "mail-failed", "El archivo pesa más de 2 MB: entréguelo por otro medio."
                )
                return
        await self._send(claimed, parcel)

    async def _take(self, work: Work, now: datetime) -> _Claimed | None:
        """The mailing, if nobody has it and nothing is known of it yet."""
        state = await work.session.get(
            DeliveryState, (work.tenant_id, self._id), with_for_update=True, populate_existing=True
        )
        delivery = await work.session.get(DocumentDelivery, (work.tenant_id, self._id))
        if state is None or delivery is None or state.status not in {"pending", "sending"}:
            return None
        document = await standing(work, delivery.document_id)
        assert document is not None
        if state.status == "sending" and state.claimed_until is not None and state.claimed_until > now:
            # Its run may have been killed a moment ago: looked at again when its claim is over.
            ask_mail(work, self._id, state.claimed_until - now + timedelta(seconds=1))
            return None
        if state.handed:
            await self._write(work, status="uncertain", message=_UNCERTAIN, claim=None, claimed_until=None)
            note(work, delivery.document_id, "mail-uncertain", _UNCERTAIN)
            return None
        attempts = state.attempts + 1
        if attempts > _MOST:
            # Each run died on it: whatever it is, another one would too.
            await self._write(work, status="failed", message=_HOPELESS, claim=None, claimed_until=None)
            note(work, delivery.document_id, "mail-failed", _HOPELESS)
            return None
        await self._write(work, status="sending", attempts=attempts, claim=self._claim, claimed_until=now + HELD)
        return _Claimed(delivery=delivery, document=document, claim=self._claim, attempts=attempts)

    async def _send(self, claimed: _Claimed, parcel: Parcel) -> None:
        try:
            went = await hand_over(self._context.settings, parcel, self._going)
        except MailUncertain as problem:
            _LOG.warning("mail uncertain", reason=str(problem))
            async with self._context.transaction() as work:
                await self._end(work, claimed, "uncertain", "mail-uncertain", _UNCERTAIN)
        except MailRefused as problem:
            async with self._context.transaction() as work:
                detail = f"El servidor de correo rechazó a {claimed.delivery.address}: {_short(problem)}"
                await self._end(work, claimed, "refused", "mail-refused", detail)
        except MailUnavailable as problem:
            async with self._context.transaction() as work:
                await self._again(work, claimed, _short(problem))
        else:
            if not went:
                return
            async with self._context.transaction() as work:
                now = clock.now()
                if await self._settle(work, status="sent", message="", sent_at=now):
                    note(work, claimed.document.row.id, "mailed", f"Entregado por correo a {claimed.delivery.address}.")
                    work.record("document.mailed", claimed.document.row.id, after={"deliveryId": self._id})

    async def _going(self) -> bool:
        """Write down that the message is about to go; False when another run has the mailing."""
        async with self._context.transaction() as work:
            return await self._write(work, handed=True, mine=True)

    async def _again(self, work: Work, claimed: _Claimed, problem: str) -> None:
        """The mail server is away: later, as long as there is hope."""
        if claimed.attempts > len(WAITS):
            await self._end(work, claimed, "failed", "mail-failed", f"El correo no salió: {problem}")
        elif await self._settle(work, status="pending", message=problem, handed=False):
            wait = WAITS[claimed.attempts - 1]
            note(work, claimed.document.row.id, "mail-failed", f"Se intentará otra vez. {problem}")
            ask_mail(work, self._id, wait)

    async def _end(self, work: Work, claimed: _Claimed, status: str, event: str, detail: str) -> None:
        if await self._settle(work, status=status, message=detail):
            note(work, claimed.document.row.id, event, detail)
            work.record(
                "document.not-mailed", claimed.document.row.id, after={"deliveryId": self._id, "status": status}
            )

    async def _settle(self, work: Work, **values: Any) -> bool:
        """Write what became of it and give it back. False: another run has it."""
        return await self._write(work, claim=None, claimed_until=None, mine=True, **values)

    async def _write(self, work: Work, *, mine: bool = False, **values: Any) -> bool:
        statement = update(DeliveryState).where(
            DeliveryState.tenant_id == work.tenant_id, DeliveryState.delivery_id == self._id
        )
        if mine:
            statement = statement.where(DeliveryState.claim == self._claim)
        changed = await work.session.execute(
            statement.values(updated_at=clock.now(), **values)
            .returning(DeliveryState.delivery_id)
            .execution_options(synchronize_session=False)
        )
        return changed.one_or_none() is not None

    async def _pack(self, work: Work, claimed: _Claimed) -> Parcel | None:
        """The message with its zip; None when not even the container alone is small enough."""
        document = claimed.document
        setting = await work.session.get(DeliverySetting, work.tenant_id)
        container = await kept_file(work, document.row.id, document.version, "attached")
        pdf = await kept_file(work, document.row.id, document.version, "pdf")
        if container is None:
            container = await kept_file(work, document.row.id, document.version, "provisional")
        assert container is not None
        files = {container.name: container.content}
        archive = b""
        has_pdf = pdf is not None and (setting is None or setting.attach_pdf)
        if pdf is not None and has_pdf:
            archive = pack(files | {pdf.name: pdf.content})
            has_pdf = len(archive) <= LARGEST
        if not has_pdf:
            archive = pack(files)
        if len(archive) > LARGEST:
            return None
        name = f"{container.name.removesuffix('.xml')}.zip"
        line = "" if setting is None else setting.line_of_business
        return Parcel(
            mail=write_delivery(document, claimed.delivery.address, line, has_pdf=has_pdf),
            key=f"{self._id}.{work.tenant_id}",
            sender=document.content.issuer.trade_name or document.content.issuer.name,
            reply_to=document.content.issuer.email,
            attachments=(Attachment(name=name, type="application/zip", content=archive),),
        )


def subject_of(document: Standing, line_of_business: str = "") -> str:
    """`NIT; name; number; type code; commercial name[; line of business]` (AT19 §9.1): parts hold no semicolon."""
    issuer = document.content.issuer
    parts = [
        issuer.identification,
        issuer.name,
        document.row.number,
        document.kind.value,
        issuer.trade_name or issuer.name,
    ]
    if line_of_business:
        parts.append(line_of_business)
    return ";".join(" ".join(part.replace(";", ",").split()) for part in parts)


def write_delivery(document: Standing, to: str, line_of_business: str, *, has_pdf: bool) -> Mail:
    """The message, but for its file."""
    paper = document.content
    return write_mail(
        "document-delivery",
        to,
        subject=subject_of(document, line_of_business),
        greeting="Hola" if paper.counterpart.is_final_consumer else f"Hola, {paper.counterpart.name}",
        company=paper.issuer.trade_name or paper.issuer.name,
        kind=paper.fixed.name,
        number=document.row.number,
        day=f"{paper.issued_at.astimezone(BOGOTA):%d/%m/%Y}",
        total=format_pesos(paper.totals.payable),
        uuid_name=paper.fixed.scheme.partition("-")[0],
        uuid=document.uuid,
        url=document.qr.rpartition("QRCode: ")[2].strip(),
        has_pdf=has_pdf,
        is_test_environment=paper.environment == HABILITATION,
    )


def _short(problem: Exception) -> str:
    """What a server said, as a line of text: it may have said anything."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in str(problem)).split())[:300]
