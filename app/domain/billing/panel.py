"""What the operator reads and does about all subscriptions."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import insert, select, text, update
from uuid_utils.compat import uuid7

from app.db.desk import Desk
from app.db.session import Database, Work
from app.domain.billing.events import LOOK, ask_to_look
from app.domain.billing.flows import subscription_out
from app.domain.billing.life import peek
from app.domain.billing.machine import REMINDED
from app.domain.billing.models import BillingReport, MrrMovement, PaymentEvent, Subscription, SubscriptionTransition
from app.domain.billing.plans import plan_out
from app.domain.billing.provider_schemas import (
    DunningStep,
    EventOut,
    EventPage,
    ExtendTrial,
    MetricsOut,
    MonthOut,
    PublishVersion,
    ReportOut,
    ReportPage,
    StepOut,
    SubscriptionDetail,
    SubscriptionItem,
    SubscriptionList,
)
from app.domain.billing.schemas import PlanOut
from app.domain.billing.standing import extend_trial
from app.domain.billing.sync import rules_of
from app.domain.tenants.limits import DOCUMENTS, Resource
from app.domain.tenants.models import Plan, PlanVersion
from app.lib import clock
from app.lib.errors import Conflict, FieldError, NotFound, RuleBroken
from app.lib.modules import CORE, MODULES
from app.lib.pages import after, cut, decode_cursor

BOGOTA: Final = ZoneInfo("America/Bogota")
_PLANS: Final = UUID("6f1f0f9e-6c3b-4d0a-9d1e-7a1f0c5b8e21")
"""Makes the ids by which the trail names plans, which have codes."""
_ZERO: Final = Decimal("0.00")
_RATE: Final = Decimal("0.0001")
_LIMITS: Final = frozenset({*map(str, Resource), DOCUMENTS})
_EVENTS: Final = (
    "SELECT e.id, e.kind, e.tenant_id, CASE WHEN e.outcome = 'queued' AND o.status = 'dead' THEN 'dead' ELSE e.outcome END "
    "AS outcome, e.received_at, e.done_at, o.last_error AS error FROM payment_event e "
    "LEFT JOIN outbox o ON o.tenant_id = e.tenant_id AND o.id = e.job_id"
)


async def publish(desk: Desk, code: str, data: PublishVersion) -> PlanOut:
    """A new version of a plan; the newest itself when it is just that, so that a repetition publishes nothing.

    Raises 404, 422 for what is no module or limit, or prices of which one is zero.
    """
    sold = set(MODULES) - {CORE}
    unknown = [f"/modules/{place}" for place, name in enumerate(data.modules) if name not in sold]
    unknown += [f"/limits/{name.replace('~', '~0').replace('/', '~1')}" for name in data.limits if name not in _LIMITS]
    if unknown:
        raise RuleBroken(
            "El plan nombra algo que no existe.",
            code="unknown-name",
            errors=tuple(FieldError(pointer, "unknown-name", "No existe.") for pointer in unknown),
        )
    if (data.monthly_price == 0) != (data.yearly_price == 0):
        raise RuleBroken("Un plan es gratis en los dos períodos o en ninguno.", code="half-free")
    async with desk.database.platform_transaction() as session:
        plan = await session.scalar(select(Plan).where(Plan.code == code).with_for_update())
        if plan is None:
            raise NotFound("Ese plan no existe.")
        values = msgspec.structs.asdict(data) | {"modules": sorted(set(data.modules))}
        values["backup_policy"] = msgspec.to_builtins(data.backup_policy)
        values |= {"monthly_price": Decimal(data.monthly_price), "yearly_price": Decimal(data.yearly_price)}
        newest = await session.scalar(
            select(PlanVersion).where(PlanVersion.plan == code).order_by(PlanVersion.version.desc()).limit(1)
        )
        if newest is not None and all(getattr(newest, name) == value for name, value in values.items()):
            made = newest
        else:
            values |= {"plan": code, "version": 1 if newest is None else newest.version + 1}
            made = (await session.scalars(insert(PlanVersion).values(**values).returning(PlanVersion))).one()
            # What those have who bought no version: the trial.
            today = {name: values[name] for name in ("name", "modules", "limits", "requests_per_minute", "version")}
            await session.execute(update(Plan).where(Plan.code == code).values(**today))
        told = plan_out(made)
    await desk.note("plan.published", uuid5(_PLANS, code), after={"plan": code, "version": told.version})
    return told


async def versions(database: Database, code: str) -> list[PlanOut]:
    """Every version of a plan, the newest first. Raises `NotFound`."""
    async with database.platform_transaction() as session:
        found = await session.scalars(
            select(PlanVersion).where(PlanVersion.plan == code).order_by(PlanVersion.version.desc())
        )
        items = [plan_out(one) for one in found]
    if not items:
        raise NotFound("Ese plan no existe.")
    return items


async def subscriptions(database: Database, state: str | None, limit: int, cursor: str | None) -> SubscriptionList:
    """Subscriptions of all companies."""
    statement = select(Subscription).limit(limit + 1)
    if state is not None:
        statement = statement.where(Subscription.state == state)
    statement = after(statement, [Subscription.tenant_id], cursor, tuple[UUID], descending=True)
    async with database.platform_transaction() as session:
        rows = (await session.scalars(statement)).all()
    page, next_cursor = cut(rows, limit, lambda row: (row.tenant_id,))
    return SubscriptionList(
        items=[
            SubscriptionItem(
                tenant_id=row.tenant_id,
                state=row.state,
                since=row.state_since,
                plan=row.plan,
                version=row.version,
                interval=row.interval,
                mrr=row.mrr,
                period_end=row.period_end,
                failing_since=row.failing_since,
            )
            for row in page
        ],
        next_cursor=next_cursor,
    )


async def detail(work: Work) -> SubscriptionDetail:
    """One company's subscription, its steps and, when it owes, what is ahead."""
    row, tenant = await peek(work)
    steps = await work.session.scalars(
        select(SubscriptionTransition)
        .where(SubscriptionTransition.tenant_id == work.tenant_id)
        .order_by(SubscriptionTransition.seq.desc())
        .limit(100)
    )
    return SubscriptionDetail(
        tenant_id=work.tenant_id,
        subscription=subscription_out(row, tenant, work),
        timeline=[msgspec.convert(step, StepOut, from_attributes=True) for step in steps],
        dunning=_dunning(work, row),
    )


def _dunning(work: Work, row: Subscription) -> list[DunningStep]:
    if row.failing_since is None:
        return []
    rules, now = rules_of(work.database.settings), clock.now()
    ahead = [(f"reminder-day-{day}", row.failing_since + timedelta(days=day)) for day in REMINDED]
    ahead += [
        ("read-only", row.failing_since + rules.grace),
        ("suspended", row.failing_since + rules.grace + rules.patience),
    ]
    return [DunningStep(what=what, at=at, is_past=at <= now) for what, at in sorted(ahead, key=lambda one: one[1])]


async def compare(desk: Desk, tenant_id: UUID) -> SubscriptionDetail:
    """Ask for a look at the provider for one company. Raises `NotFound`."""
    work = await desk.enter(tenant_id)
    work.ask(LOOK, {})
    told = await detail(work)
    await desk.note("subscription.compared", tenant_id, company_id=tenant_id)
    return told


async def extend(desk: Desk, tenant_id: UUID, data: ExtendTrial) -> SubscriptionDetail:
    """Let a trial run longer. Raises 404, 409 `not-in-trial`, 422."""
    work = await desk.enter(tenant_id)
    await extend_trial(work, data.until, data.reason)
    told = await detail(work)
    after = {"until": data.until, "reason": data.reason}
    await desk.note("company.trial-extended", tenant_id, company_id=tenant_id, after=after)
    return told


async def event_page(database: Database, outcome: str | None, limit: int, cursor: str | None) -> EventPage:
    """Events of the provider, the newest first; dead ones are those whose job gave up."""
    conditions: list[str] = ["true"]
    values: dict[str, Any] = {"most": limit + 1}
    if outcome is not None:
        conditions.append("outcome = :outcome")
        values["outcome"] = outcome
    if cursor is not None:
        at, identity = decode_cursor(cursor, tuple[datetime, str])
        values |= {"at": at, "identity": identity}
        conditions.append("(received_at, id) < (:at, :identity)")
    statement = (
        f"SELECT * FROM ({_EVENTS}) e WHERE {' AND '.join(conditions)} ORDER BY received_at DESC, id DESC LIMIT :most"
    )
    async with database.platform_transaction() as session:
        rows = (await session.execute(text(statement), values)).all()
    page, next_cursor = cut(rows, limit, lambda row: (row.received_at, row.id))
    return EventPage(items=[_event(row) for row in page], next_cursor=next_cursor)


def _event(row: Any) -> EventOut:
    return EventOut(
        id=row.id,
        kind=row.kind,
        tenant_id=row.tenant_id,
        outcome=row.outcome,
        received_at=row.received_at,
        done_at=row.done_at,
        error=row.error,
    )


async def replay(desk: Desk, event_id: str) -> EventOut:
    """Act upon an event again. Raises 404, 409 `nobodys-event` for one of no company."""
    async with desk.database.platform_transaction() as session:
        event = await session.scalar(select(PaymentEvent).where(PaymentEvent.id == event_id).with_for_update())
        if event is None:
            raise NotFound("No hay tal evento.")
        if event.tenant_id is None:
            raise Conflict("El evento no es de ninguna empresa.", code="nobodys-event")
        job_id = uuid7()
        event.job_id, event.outcome, event.done_at = job_id, "queued", None
        await session.flush()
        await ask_to_look(session, event.tenant_id, job_id, event.id)
        row = (await session.execute(text(f"{_EVENTS} WHERE e.id = :id"), {"id": event_id})).one()
    desk.database.bell.ring()
    await desk.note("payment-event.replayed", job_id, company_id=event.tenant_id, after={"event": event_id})
    return _event(row)


async def report_page(database: Database, limit: int, cursor: str | None) -> ReportPage:
    """Comparisons with the provider, the newest first."""
    statement = after(select(BillingReport).limit(limit + 1), [BillingReport.id], cursor, tuple[UUID], descending=True)
    async with database.platform_transaction() as session:
        rows = (await session.scalars(statement)).all()
    page, next_cursor = cut(rows, limit, lambda row: (row.id,))
    return ReportPage(
        items=[msgspec.convert(row, ReportOut, from_attributes=True) for row in page], next_cursor=next_cursor
    )


async def metrics(database: Database, first: date, last: date) -> MetricsOut:
    """Recurring revenue month by month, from the movements; trials and how many of them paid."""
    async with database.platform_transaction() as session:
        moves = (await session.scalars(select(MrrMovement).order_by(MrrMovement.at, MrrMovement.seq))).all()
        trials, converted = (
            await session.execute(
                text(
                    "SELECT count(*) FILTER (WHERE first), count(*) FILTER (WHERE first AND paid) FROM ("
                    "SELECT t.tenant_id, bool_or(t.from_status = 'new' AND t.to_status = 'trial') AS first, "
                    "EXISTS (SELECT FROM mrr_movement m WHERE m.tenant_id = t.tenant_id) AS paid "
                    "FROM tenant_transition t GROUP BY t.tenant_id) companies"
                )
            )
        ).one()
    return MetricsOut(
        months=months_of(moves, first, last),
        trials=trials,
        converted=converted,
        conversion=(Decimal(converted) / trials).quantize(_RATE) if trials else Decimal(0),
    )


def months_of(moves: Any, first: date, last: date) -> list[MonthOut]:
    """Movements, in their order, as months of Bogota from one to another."""
    worth: dict[UUID, Decimal] = {}
    months: list[MonthOut] = []
    month, left = first.replace(day=1), list(moves)[::-1]
    while month <= last:
        following = (month + timedelta(days=32)).replace(day=1)
        begun, ended = (datetime(day.year, day.month, 1, tzinfo=BOGOTA).astimezone(UTC) for day in (month, following))
        while left and left[-1].at < begun:
            _count(worth, left.pop())
        start, customers, sums, churned = sum(worth.values(), _ZERO), _paying(worth), dict.fromkeys(_KINDS, _ZERO), 0
        while left and left[-1].at < ended:
            move = left.pop()
            sums[move.kind] += move.amount
            churned += move.kind == "churn"
            _count(worth, move)
        end, paying = sum(worth.values(), _ZERO), _paying(worth)
        months.append(
            MonthOut(
                month=month,
                start=start,
                new=sums["new"],
                reactivation=sums["reactivation"],
                expansion=sums["expansion"],
                contraction=sums["contraction"],
                churn=sums["churn"],
                end=end,
                customers=paying,
                arpu=(end / paying).quantize(Decimal("0.01")) if paying else _ZERO,
                churned=churned,
                churn_rate=(Decimal(churned) / customers).quantize(_RATE) if customers else Decimal(0),
            )
        )
        month = following
    return months


_KINDS: Final = ("new", "reactivation", "expansion", "contraction", "churn")


def _count(worth: dict[UUID, Decimal], move: MrrMovement) -> None:
    worth[move.tenant_id] = move.after


def _paying(worth: dict[UUID, Decimal]) -> int:
    return sum(1 for value in worth.values() if value > 0)
