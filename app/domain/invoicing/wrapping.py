"""What the buyer gets, made once DIAN accepted: the signed container and the printed form, kept in the archive."""

import asyncio
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import select

from app.db.jobs import JobContext
from app.db.session import Work
from app.domain.invoicing.deliveries import (
    WAITS_FOR_CERTIFICATE,
    ask_mail,
    deliver_by_itself,
    deliver_provisional,
    wait_for_certificate,
)
from app.domain.invoicing.delivery_models import DeliverySetting
from app.domain.invoicing.drawing import DRAWER
from app.domain.invoicing.files import keep_file, next_file_name
from app.domain.invoicing.kept import Standing, keep_once, kept_file, note, standing, validated_at
from app.domain.invoicing.model import Identity, Validation
from app.domain.invoicing.models import DianCertificate
from app.domain.invoicing.printed import Printed
from app.domain.invoicing.signer import CannotSign, Line, open_line
from app.domain.invoicing.vault import Vault
from app.domain.invoicing.versions import contingency_at
from app.domain.tenants.logo import logo_bytes
from app.lib import clock
from app.lib.errors import NotFound

_PATIENCE: Final = 20.0
"""Seconds that DIAN may take to give an answer once more."""


class NoAnswerKept(Exception):
    """DIAN accepted the document and its ApplicationResponse is not here, nor given now: later perhaps."""


class _Found(msgspec.Struct, kw_only=True):
    """What wrapping begins with."""

    document: Standing
    xml: bytes
    response: bytes | None
    certificate: DianCertificate | None
    logo: bytes | None


class Wrapping:
    """One document to be wrapped. Two at once make it twice and keep it once."""

    def __init__(self, context: JobContext, document_id: UUID) -> None:
        self._context = context
        self._id = document_id

    async def run(self) -> bool:
        """Make what is missing; answers whether everything is there. Of a document that DIAN has not accepted there never is,
        but for one of a contingency: its buyer gets it without DIAN's answer.

        Raises `CannotSign`, `NoAnswerKept`.
        """
        async with self._context.transaction() as work:
            found = await self._read(work)
        if found is None:
            return False
        if isinstance(found, Standing):
            return True
        line = await self._line(found)
        try:
            if found.document.is_provisional:
                await self._make_provisional(found, line)
                return True
            if found.response is None:
                found.response = await self._ask_again(found, line)
            await self._make(found, found.response, line)
        finally:
            await line.close()
        return True

    async def _read(self, work: Work) -> "_Found | Standing | None":
        """Everything for making it; the document alone when it is made."""
        document = await standing(work, self._id)
        if document is None or not document.is_deliverable:
            return None
        if document.is_provisional and await kept_file(work, self._id, document.version, "provisional") is not None:
            return document
        container = await kept_file(work, self._id, document.version, "attached")
        if container is not None and await kept_file(work, self._id, document.version, "pdf") is not None:
            return document
        xml = await kept_file(work, self._id, document.version, "xml")
        if xml is None and document.is_provisional:
            return None
        if xml is None:
            # Accepted under another version's bytes cannot happen: a version is sent after it is kept.
            raise LookupError(f"the signed XML of {document.row.number} is not in the archive")
        response = await kept_file(work, self._id, document.version, "response")
        try:
            logo = await logo_bytes(work)
        except NotFound:
            logo = None
        return _Found(
            document=document,
            xml=xml.content,
            response=None if response is None else response.content,
            certificate=await work.session.scalar(
                select(DianCertificate).where(
                    DianCertificate.tenant_id == work.tenant_id, DianCertificate.retired_at.is_(None)
                )
            ),
            logo=logo,
        )

    async def _line(self, found: _Found) -> Line:
        settings = self._context.settings
        return await open_line(
            settings,
            Vault(settings),
            self._context.tenant_id,
            found.certificate,
            found.document.content.issuer.identification,
            found.document.row.environment,
            clock.now(),
        )

    async def _ask_again(self, found: _Found, line: Line) -> bytes:
        document = found.document
        answer = await line.status(document.uuid, _PATIENCE)
        if not answer.accepts(document.uuid) or not answer.response:
            raise NoAnswerKept(f"DIAN does not give its answer to {document.row.number}: {answer.message}")
        async with self._context.transaction() as work:
            name = f"ar-{document.row.number}.xml"
            await keep_file(work, self._id, document.version, "response", name, answer.response)
        return answer.response

    async def _make(self, found: _Found, response: bytes, line: Line) -> None:
        document, now = found.document, clock.now().replace(microsecond=0)
        when = await asyncio.to_thread(validated_at, response, document.decided_at)
        paper = printed_of(document, when, found.logo)
        pdf = await DRAWER.draw(paper, "letter")
        validation = Validation(response=response, validated_at=when or now)
        container = await self._container(found, line, validation, now)
        async with self._context.transaction() as work:
            name = await next_file_name(work, document.content, now, container=True)
            made = await keep_once(work, self._id, document.version, "attached", f"{name}.xml", container)
            await keep_once(work, self._id, document.version, "pdf", f"{document.row.number}.pdf", pdf)
            if made:
                note(work, self._id, "wrapped")

    async def _make_provisional(self, found: _Found, line: Line) -> None:
        document, now = found.document, clock.now().replace(microsecond=0)
        container = await self._container(found, line, None, now)
        async with self._context.transaction() as work:
            name = await next_file_name(work, document.content, now, container=True)
            if not await keep_once(work, self._id, document.version, "provisional", f"{name}.xml", container):
                return
            note(work, self._id, "wrapped", "Sin respuesta de la DIAN: se expidió en su contingencia.")
            if self._context.settings.smtp_host is not None and await contingency_at(work, now):
                setting = await work.session.get(DeliverySetting, work.tenant_id)
                delivery_id = await deliver_provisional(work, document, setting)
                if delivery_id is not None:
                    ask_mail(work, delivery_id)

    async def _container(self, found: _Found, line: Line, validation: Validation | None, now: datetime) -> bytes:
        document = found.document
        identity = Identity(uuid=document.uuid, security_code="", url="", qr=document.qr)
        return await asyncio.to_thread(line.sign_container, document.content, identity, found.xml, validation, now)


def printed_of(document: Standing, when: datetime | None, logo: bytes | None) -> Printed:
    """The document as it is printed."""
    return Printed(
        document=document.content,
        uuid=document.uuid,
        qr=document.qr,
        status=document.status,
        validated_at=when if document.is_accepted else None,
        logo=logo,
    )


async def wrap_and_deliver(context: JobContext, document_id: UUID) -> None:
    """Make what the buyer gets, and mail it when the company wants that and the buyer left an address.

    Raises `NoAnswerKept`; without a certificate that signs today it is tried again later.
    """
    try:
        whole = await Wrapping(context, document_id).run()
    except CannotSign as problem:
        async with context.transaction() as work:
            await wait_for_certificate(work, document_id, str(problem))
            work.ask("invoicing.wrap", {"documentId": str(document_id)}, "short", WAITS_FOR_CERTIFICATE)
        return
    if not whole or context.settings.smtp_host is None:
        return
    async with context.transaction() as work:
        document = await standing(work, document_id)
        assert document is not None
        if not document.is_accepted:
            return
        setting = await work.session.get(DeliverySetting, work.tenant_id)
        delivery_id = await deliver_by_itself(work, document, setting)
        if delivery_id is not None:
            ask_mail(work, delivery_id)
