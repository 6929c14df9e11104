"""One document to DIAN: made, checked, signed, kept, sent, and what became of it written down.

Each step that another run must know of is committed before the next begins: a killed worker leaves a document that is
asked about before it is sent again. XML and signature are loaded here and nowhere else.
"""

import asyncio
from datetime import datetime, timedelta
from time import monotonic
from typing import Final
from uuid import UUID

import msgspec
import structlog
from uuid_utils.compat import uuid7

from app.db.jobs import JobContext
from app.db.session import Work
from app.domain.invoicing.circuit import circuit_of, take_probe
from app.domain.invoicing.claims import Claimed, SignedFile, claim_document, put_off_unclaimed, set_state
from app.domain.invoicing.events import event
from app.domain.invoicing.files import keep_file, next_file_name
from app.domain.invoicing.identify import identify
from app.domain.invoicing.kinds import CONTINGENCY
from app.domain.invoicing.model import Document
from app.domain.invoicing.outcomes import Call, is_late, refuse_locally, settle
from app.domain.invoicing.preflight import blocking, preflight
from app.domain.invoicing.signer import CannotSign, Line, line_of
from app.domain.invoicing.vault import Vault
from app.domain.invoicing.versions import (
    CONTINGENT,
    Reason,
    Version,
    as_contingency,
    contingency_at,
    is_of_another_day,
    redated,
    was_contingency,
    write_version,
)
from app.lib import clock
from app.lib.sealing import SealBroken

_LOG = structlog.stdlib.get_logger("mostrador.invoicing")

PATIENCE: Final = 50.0
"""Seconds of silence after which a call counts as lost: the annex says a minute, and a short job has no longer."""
_WAITS_FOR_ORIGINAL: Final = timedelta(hours=1)
_CANNOT_SIGN: Final = timedelta(minutes=15)
_SEALED: Final = (
    "Los secretos de la empresa no se pueden abrir con la SECRET_KEY de la instalación: escriba el PIN otra vez."
)


class Transmission:
    """One run with one document."""

    def __init__(self, context: JobContext, document_id: UUID) -> None:
        self._context = context
        self._vault = Vault(context.settings)
        self._id = document_id
        self._claim = uuid7()
        self._ends = monotonic() + PATIENCE + 5

    async def run(self) -> bool:
        """Bring the document as far as it goes; answers whether DIAN was called."""
        now = clock.now()
        try:
            async with self._context.transaction() as work:
                claimed = await self._take(work, now)
        except SealBroken:
            async with self._context.transaction() as work:
                await put_off_unclaimed(work, self._id, _SEALED, now + _CANNOT_SIGN)
            return False
        if claimed is None:
            return False
        try:
            line = await line_of(self._context, self._vault, claimed, now)
        except CannotSign as problem:
            async with self._context.transaction() as work:
                await self._put_off(work, claimed, str(problem), now + _CANNOT_SIGN)
            return False
        try:
            return await self._work_on(claimed, line)
        finally:
            await line.close()

    async def _take(self, work: Work, now: datetime) -> Claimed | None:
        """The document, if it may be worked on now."""
        claimed = await claim_document(work, self._vault, self._id, self._claim, now)
        if claimed is None:
            return None
        if claimed.corrected is not None and claimed.corrected.status != "accepted":
            number = claimed.corrected.row.number
            message = f"Espera a que la DIAN valide {number}."
            if claimed.corrected.status == "rejected":
                message = (
                    f"La DIAN rechazó {number}: corríjalo y envíelo otra vez, o retírelo y esta nota se retira con él."
                )
            await set_state(work, claimed, next_at=now + _WAITS_FOR_ORIGINAL, message=message)
            return None
        if not await take_probe(work, now):
            circuit = await circuit_of(work)
            # Its turn comes when the circuit closes; the sweep is for a closing that nobody wrote down.
            await set_state(
                work,
                claimed,
                next_at=(circuit.probe_at or now) + timedelta(minutes=5),
                message="Espera a que la DIAN vuelva a responder.",
            )
            return None
        return claimed

    async def _work_on(self, claimed: Claimed, line: Line) -> bool:
        if claimed.status in {"sent", "unknown"} or is_of_another_day(claimed.version.content, clock.now()):
            call = await self._ask(claimed, line)
            if not call.is_absent and not is_late(call.answer, claimed.version, clock.now()):
                async with self._context.transaction() as work:
                    await settle(work, claimed, claimed.version, call)
                return True
        prepared = await self._prepare(claimed, line)
        if prepared is None:
            return True
        version, xml = prepared
        call = await self._send(claimed, version, xml, line)
        async with self._context.transaction() as work:
            await settle(work, claimed, version, call)
        return True

    async def _ask(self, claimed: Claimed, line: Line) -> Call:
        """What DIAN knows of it. A document of a test set is asked for by the key of its sending."""
        began = clock.now()
        if claimed.zip_key:
            answer = await line.status_of_zip(claimed.zip_key, self._left())
        else:
            answer = await line.status(claimed.version.uuid, self._left())
        return Call(operation="asked", began=began, answer=answer)

    async def _prepare(self, claimed: Claimed, line: Line) -> tuple[Version, SignedFile] | None:
        """The version to send, signed and kept, with its state already `sent`; None when it cannot go."""
        now = clock.now()
        async with self._context.transaction() as work:
            version = await self._current(work, claimed, now)
        xml = claimed.xml if version.number == claimed.version.number else None
        if xml is not None:
            async with self._context.transaction() as work:
                held = await self._mark_sent(work, claimed, version, signed=False)
            return (version, xml) if held else None
        paper = version.content
        if claimed.corrected is not None and paper.correction is not None:
            # What it corrects may have got another date meanwhile; the note's own identity does not depend on it.
            correction = msgspec.structs.replace(paper.correction, reference=claimed.corrected.as_reference())
            paper = msgspec.structs.replace(paper, correction=correction)
        identity = identify(paper, claimed.keys)
        at = paper.issued_at if paper.kind in CONTINGENT else now
        findings = blocking(preflight(paper, msgspec.structs.replace(identity, uuid=version.uuid), claimed.keys, at))
        if findings:
            async with self._context.transaction() as work:
                await refuse_locally(work, claimed, findings)
            return None
        content = await asyncio.to_thread(line.sign, paper, identity)
        async with self._context.transaction() as work:
            name = await next_file_name(work, paper, now)
            xml = SignedFile(f"{name}.xml", content)
            held = await self._mark_sent(work, claimed, version, signed=True)
            if held:
                await keep_file(work, claimed.id, version.number, "xml", xml.name, xml.content)
        return (version, xml) if held else None

    async def _current(self, work: Work, claimed: Claimed, now: datetime) -> Version:
        """The version that may be sent today: another one when the day changed, or DIAN was declared away."""
        version = claimed.version
        paper: Document = version.content
        reason: Reason
        if paper.kind in CONTINGENT:
            return version
        if (
            paper.kind in CONTINGENCY
            and not claimed.row.is_test
            and await contingency_at(work, paper.issued_at)
            # Once DIAN has said that it was in none of its contingencies, it stays an ordinary document.
            and not await was_contingency(work, claimed.id)
        ):
            paper, reason = as_contingency(paper), "contingency"
        elif is_of_another_day(paper, now):
            paper, reason = redated(paper, now), "redated"
        else:
            return version
        made = await write_version(work, version, paper, claimed.keys, reason, claimed.id)
        await set_state(work, claimed, keep=True, version=made.number, kind=made.kind.value, uuid=made.uuid)
        event(
            work,
            claimed.id,
            reason,
            {"before": version.uuid, "after": made.uuid, "kind": made.kind.value},
            "Se expide como contingencia." if reason == "contingency" else "Lleva la fecha del día en que se envía.",
        )
        return made

    async def _mark_sent(self, work: Work, claimed: Claimed, version: Version, *, signed: bool) -> bool:
        """Say that it is on its way before it is: whoever comes after a crash asks DIAN first."""
        if not await set_state(work, claimed, keep=True, status="sent"):
            return False
        if signed:
            event(work, claimed.id, "signed", {"uuid": version.uuid, "version": version.number}, "")
        event(work, claimed.id, "sent", {"uuid": version.uuid, "attempt": claimed.attempts + 1}, "")
        return True

    async def _send(self, claimed: Claimed, version: Version, xml: SignedFile, line: Line) -> Call:
        began = clock.now()
        async with self._context.transaction() as work:
            archive = await next_file_name(work, version.content, began, archive=True)
        answer = await line.send(f"{archive}.zip", xml, claimed, self._left())
        return Call(operation="sent", began=began, answer=answer)

    async def _put_off(self, work: Work, claimed: Claimed, problem: str, until: datetime) -> None:
        if await set_state(work, claimed, message=problem, next_at=until):
            event(work, claimed.id, "refused", {}, problem)

    def _left(self) -> float:
        """Seconds that a call may still take."""
        return max(1.0, min(PATIENCE, self._ends - monotonic()))
