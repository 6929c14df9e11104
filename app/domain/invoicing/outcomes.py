"""What becomes of a document after a call: its state, its history, its files, and what happens next."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import and_, select

from app.db.session import Work
from app.domain.invoicing.circuit import QUICK_WAIT, SILENT_WAIT, count_failure, count_success
from app.domain.invoicing.claims import Claimed, set_state, versions_of
from app.domain.invoicing.events import event
from app.domain.invoicing.files import keep_file
from app.domain.invoicing.models import Document, DocumentState
from app.domain.invoicing.preflight import Finding
from app.domain.invoicing.versions import CONTINGENT, Reason, Version, as_usual, is_of_another_day, write_version
from app.lib import clock

if TYPE_CHECKING:
    from app.integrations.dian.answers import Answer

_LOG = structlog.stdlib.get_logger("mostrador.invoicing")

_REFUSED_WAIT: Final = timedelta(minutes=15)
_LONGEST_WAIT: Final = timedelta(minutes=15)
_SWEEP_MARGIN: Final = timedelta(minutes=1)
"""The sweep looks after a document this much later than its own job would."""
_WAITS_FOR_CIRCUIT: Final = timedelta(minutes=10)


_OF_THE_DATE: Final = ("D09c", "D09e")
"""Ends of the rules about a date that is not today's, of every kind of document."""
_OF_THE_PERIOD: Final = "CTG01"


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call and its answer."""

    operation: str
    """`sent`, or `asked` for GetStatus."""
    began: datetime
    answer: "Any"

    @property
    def is_absent(self) -> bool:
        return bool(self.answer.outcome == "absent")


async def settle(work: Work, claimed: Claimed, version: Version, call: Call) -> None:
    """Write down what a call brought, and want what comes next."""
    answer, now = call.answer, clock.now()
    found = await _accepted_as(work, claimed, version, answer)
    if found is not None:
        await _accept(work, claimed, found, call, now)
    elif is_late(answer, version, now):
        await _late(work, claimed, version, call, now)
    elif _is_outside(answer, version):
        await _outside(work, claimed, version, call, now)
    elif answer.outcome == "rejected":
        await _reject(work, claimed, version, call, now)
    elif answer.outcome == "set-accepted" and claimed.row.is_test:
        await _not_needed(work, claimed, call, now)
    elif answer.outcome == "pending":
        await _wait(work, claimed, call, now, zip_key=answer.document_key if claimed.row.is_test else "")
    elif answer.outcome in {"refused", "accepted", "set-accepted"}:
        # An acceptance of some other UUID says nothing about this document.
        await _refused(work, claimed, call, now)
    else:
        await _unknown(work, claimed, call, now)
    if answer.is_outage:
        silent = answer.http_status is None and answer.outcome == "unknown"
        reached = answer.outcome != "transport"
        await count_failure(work, began=call.began, now=now, silent=silent, error=answer.message, reached=reached)
    elif answer.outcome != "unknown":
        await count_success(work, began=call.began, now=now)


def is_late(answer: "Answer", version: Version, now: datetime) -> bool:
    """Whether DIAN only says that the day was over when the document came: with today's date it may be sent again."""
    return version.kind not in CONTINGENT and is_of_another_day(version.content, now) and _only(answer, *_OF_THE_DATE)


def _is_outside(answer: "Answer", version: Version) -> bool:
    """Whether DIAN only says that it was in none of its contingencies: the times of whoever declared it were others."""
    return version.kind in CONTINGENT and _only(answer, _OF_THE_PERIOD)


def _only(answer: "Answer", *ends: str) -> bool:
    """Whether it was rejected for rules with such an end, and for nothing else."""
    codes = [rule.code for rule in answer.rules if rule.rejects]
    return answer.outcome == "rejected" and bool(codes) and all(code.endswith(ends) for code in codes)


async def refuse_locally(work: Work, claimed: Claimed, findings: Sequence[Finding]) -> None:
    """DIAN would reject it: said here, without sending. The number is not consumed."""
    rules = [{"code": each.code, "text": each.message, "rejects": True} for each in findings]
    message = f"No se envió: {findings[0].message}"
    if await set_state(work, claimed, status="rejected", message=message, rules=rules, decided_at=clock.now()):
        event(work, claimed.id, "rejected", {"rules": rules, "local": True}, message)
        work.record(
            "document.rejected", claimed.id, after={"number": claimed.row.number, "rules": rules, "local": True}
        )


async def _accepted_as(work: Work, claimed: Claimed, version: Version, answer: "Answer") -> tuple[int, str] | None:
    """Version and UUID under which DIAN has it as valid: this one, or an earlier one that was thought lost."""
    if answer.accepts(version.uuid):
        return version.number, version.uuid
    if answer.document_key and (answer.is_duplicate or answer.outcome == "accepted"):
        known = await versions_of(work, claimed.row)
        key = answer.document_key.lower()
        if key in known:
            return known[key], key
    return None


async def _accept(work: Work, claimed: Claimed, found: tuple[int, str], call: Call, now: datetime) -> None:
    answer = call.answer
    rules = _rules(answer)
    number, uuid = found
    held = await set_state(
        work,
        claimed,
        status="accepted",
        version=number,
        uuid=uuid,
        attempts=0,
        message=answer.message,
        rules=[rule for rule in rules if not rule["rejects"]],
        decided_at=now,
    )
    if not held:
        return
    if answer.response:
        await keep_file(work, claimed.id, number, "response", f"ar-{claimed.row.number}.xml", answer.response)
    event(work, claimed.id, "accepted", _data(call, uuid), answer.message)
    work.record("document.accepted", claimed.id, after={"number": claimed.row.number, "uuid": uuid, "version": number})
    await _release_notes(work, claimed.id)
    if not claimed.row.is_test:
        work.ask("invoicing.wrap", {"documentId": str(claimed.id)})
    _LOG.info("document accepted", number=claimed.row.number)


async def _reject(work: Work, claimed: Claimed, version: Version, call: Call, now: datetime) -> None:
    answer = call.answer
    rules = _rules(answer)
    if not await set_state(
        work, claimed, status="rejected", attempts=0, message=answer.message, rules=rules, decided_at=now
    ):
        return
    if answer.response:
        await keep_file(work, claimed.id, version.number, "response", f"ar-{claimed.row.number}.xml", answer.response)
    event(work, claimed.id, "rejected", _data(call, version.uuid), answer.message)
    work.record("document.rejected", claimed.id, after={"number": claimed.row.number, "rules": rules, "local": False})
    _LOG.warning("document rejected", number=claimed.row.number, rules=[rule["code"] for rule in rules])


async def _not_needed(work: Work, claimed: Claimed, call: Call, now: datetime) -> None:
    """Its test set has enough documents: DIAN did not look at this one. The set hears of it at its next look."""
    message = call.answer.message
    if await set_state(work, claimed, status="withdrawn", attempts=0, message=message, decided_at=now):
        event(work, claimed.id, "withdrawn", _data(call), message)
        work.record("document.withdrawn", claimed.id, after={"number": claimed.row.number, "reason": message})


async def _late(work: Work, claimed: Claimed, version: Version, call: Call, now: datetime) -> None:
    """It was on its way at midnight. DIAN consumed neither number nor key: the next run dates it anew."""
    detail = "Llegó a la DIAN cuando ya era otro día: se fecha de nuevo."
    if await set_state(work, claimed, status="signed", message=detail, next_at=now + _SWEEP_MARGIN):
        event(work, claimed.id, "rejected", _data(call, version.uuid), detail)
        _again(work, claimed.id, timedelta())


async def _outside(work: Work, claimed: Claimed, version: Version, call: Call, now: datetime) -> None:
    """It goes as an ordinary document under its number; on the day of its date with the UUID that was printed."""
    detail = "Para la DIAN no se firmó en una contingencia: se expide como documento normal."
    if not await set_state(work, claimed, keep=True, status="pending", message=detail):
        return
    event(work, claimed.id, "rejected", _data(call, version.uuid), detail)
    paper = as_usual(version.content, now)
    reason: Reason = "corrected" if paper.issued_at == version.content.issued_at else "redated"
    made = await write_version(work, version, paper, claimed.keys_for(paper), reason, claimed.id)
    await set_state(
        work, claimed, version=made.number, kind=made.kind.value, uuid=made.uuid, next_at=now + _SWEEP_MARGIN
    )
    event(work, claimed.id, reason, {"before": version.uuid, "after": made.uuid, "kind": made.kind.value}, detail)
    _again(work, claimed.id, timedelta())


async def _wait(work: Work, claimed: Claimed, call: Call, now: datetime, *, zip_key: str) -> None:
    """DIAN has it and has not decided."""
    wait = min(QUICK_WAIT * (1 << min(claimed.attempts, 8)), _LONGEST_WAIT)
    values: dict[str, Any] = {"zip_key": zip_key} if zip_key else {}
    if await set_state(
        work,
        claimed,
        status="sent",
        attempts=claimed.attempts + 1,
        message=call.answer.message or "La DIAN lo está procesando.",
        next_at=now + wait + _SWEEP_MARGIN,
        **values,
    ):
        event(work, claimed.id, "asked" if call.operation == "asked" else "received", _data(call), call.answer.message)
        _again(work, claimed.id, wait)


async def _refused(work: Work, claimed: Claimed, call: Call, now: datetime) -> None:
    """DIAN did not take the message: certificate, clock, zip, authorisation. Somebody must look."""
    status = "signed" if call.operation == "sent" else claimed.status
    if await set_state(
        work,
        claimed,
        status=status,
        attempts=claimed.attempts + 1,
        message=f"La DIAN no recibió el envío: {call.answer.message}",
        next_at=now + _REFUSED_WAIT + _SWEEP_MARGIN,
    ):
        event(work, claimed.id, "refused", _data(call), call.answer.message)
        _again(work, claimed.id, _REFUSED_WAIT)


async def _unknown(work: Work, claimed: Claimed, call: Call, now: datetime) -> None:
    """No answer, or none with sense: whether it was processed is asked before anything else."""
    answer = call.answer
    # What was never delivered may be sent again; everything else may have been processed.
    delivered = answer.outcome != "transport" and (call.operation == "sent" or claimed.status in {"sent", "unknown"})
    status = "unknown" if delivered else ("signed" if claimed.status in {"pending", "signed"} else claimed.status)
    wait = _back_off(claimed, call, now)
    if await set_state(
        work,
        claimed,
        status=status,
        attempts=claimed.attempts + 1,
        message=answer.message,
        next_at=now + max(wait + _SWEEP_MARGIN, _WAITS_FOR_CIRCUIT),
    ):
        event(work, claimed.id, "unknown", _data(call), answer.message)
        _again(work, claimed.id, wait)


def _back_off(claimed: Claimed, call: Call, now: datetime) -> timedelta:
    answer = call.answer
    if answer.is_outage and answer.http_status is None and answer.outcome == "unknown":
        return max(call.began + SILENT_WAIT - now, QUICK_WAIT)
    doublings: int = min(max(0, claimed.attempts - 2), 8)
    return min(QUICK_WAIT * (1 << doublings), _LONGEST_WAIT)


async def _release_notes(work: Work, document_id: UUID) -> None:
    """Notes that waited for what they correct may go."""
    waiting = await work.session.scalars(
        select(Document.id)
        .join(DocumentState, and_(DocumentState.tenant_id == work.tenant_id, DocumentState.document_id == Document.id))
        .where(
            Document.tenant_id == work.tenant_id,
            Document.corrects_id == document_id,
            DocumentState.status.in_(("pending", "signed", "sent", "unknown")),
        )
    )
    for note_id in waiting:
        _again(work, note_id, timedelta())


def _again(work: Work, document_id: UUID, wait: timedelta) -> None:
    work.ask("invoicing.transmit", {"documentId": str(document_id)}, "short", wait)


def _rules(answer: "Answer") -> list[dict[str, Any]]:
    return [{"code": rule.code, "text": rule.text, "rejects": rule.rejects} for rule in answer.rules]


def _data(call: Call, uuid: str = "") -> dict[str, Any]:
    answer = call.answer
    return {
        "operation": call.operation,
        "outcome": str(answer.outcome),
        "statusCode": answer.status_code,
        "httpStatus": answer.http_status,
        "rules": _rules(answer),
        "uuid": uuid,
    }
