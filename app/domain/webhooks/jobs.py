"""Background jobs of webhooks: read the chain, send, tell the owners of an endpoint that was given up."""

from collections import Counter
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select

from app.db.jobs import JobContext
from app.db.session import Work
from app.domain.accounts.models import AppUser, Membership
from app.domain.tenants.sample import is_sample
from app.domain.tenants.service import TenantService
from app.domain.webhooks.deliveries import ask_to_send, ask_to_send_later
from app.domain.webhooks.endpoints import find_endpoint
from app.domain.webhooks.feed import follow
from app.domain.webhooks.secrets import SecretVault
from app.domain.webhooks.sending import send, settle, switch_off, take
from app.integrations.mail import MailRefused, MailSender
from app.integrations.mail.templating import write_mail
from app.lib.errors import NotFound
from app.lib.jobs import Hopeless, NoPayload, job
from app.lib.permissions import OWNER
from app.lib.schemas import Input

_TURNS: Final = 20
"""Of the feed in one run: ten thousand entries, then another company has its turn."""
_MOST_AT_ONCE: Final = 3
"""Batches of one company that a process sends at a time."""
_LATER: Final = timedelta(seconds=3)
_SENDING: Final[Counter[UUID]] = Counter()
_WHY: Final = {
    "gone": "respondió que ya no existe (410)",
    "failing": "no recibió ninguna entrega en tres días",
}


class ToEndpoint(Input):
    endpoint_id: UUID


class ToOwner(Input):
    endpoint_id: UUID
    user_id: UUID
    reason: str


@job("webhooks.follow", timeout=60)
async def follow_chain(context: JobContext, _payload: NoPayload) -> None:
    """Turn what happened since the last time into events. Run twice, the second finds nothing left."""
    for _ in range(_TURNS):
        async with context.transaction() as work:
            endpoints, more = await follow(work)
            for endpoint_id in sorted(endpoints):
                ask_to_send(work, endpoint_id)
        if not more:
            return
    async with context.transaction() as work:
        follow_chain.ask(work, NoPayload())


@job("webhooks.send", timeout=60, lane="webhooks")
async def send_due(context: JobContext, payload: ToEndpoint) -> None:
    """Send what is due to an endpoint. Run twice, each delivery is taken by one.

    A company whose receivers are slow waits for itself: this process sends a few of its batches at once, and no more.
    """
    if _SENDING[context.tenant_id] >= _MOST_AT_ONCE:
        async with context.transaction() as work:
            await ask_to_send_later(work, payload.endpoint_id, context.job_id, _LATER)
        return
    _SENDING[context.tenant_id] += 1
    try:
        await _send_batch(context, payload)
    finally:
        _SENDING[context.tenant_id] -= 1
        if not _SENDING[context.tenant_id]:
            del _SENDING[context.tenant_id]


async def _send_batch(context: JobContext, payload: ToEndpoint) -> None:
    vault = SecretVault(context.settings)
    async with context.transaction() as work:
        batch = await take(work, vault, payload.endpoint_id)
    if batch is None:
        return
    answers = await send(batch, strict=context.settings.environment == "production")
    async with context.transaction() as work:
        reason = await settle(work, payload.endpoint_id, batch, answers)
        if reason is None and any(answer.is_success for answer in answers):
            # What waited behind this batch, or behind a probe that got through.
            ask_to_send(work, payload.endpoint_id)
    if reason is not None:
        async with context.transaction() as work:
            if await switch_off(work, payload.endpoint_id, reason):
                await _tell_owners(work, payload.endpoint_id, reason)


@job("webhooks.tell-owner", timeout=60)
async def tell_owner(context: JobContext, payload: ToOwner) -> None:
    """Mail an owner that an endpoint was switched off; nothing once it is on again. Run twice, it is told twice."""
    async with context.transaction() as work:
        try:
            endpoint = await find_endpoint(work, payload.endpoint_id)
        except NotFound:
            return
        if endpoint.is_active:
            return
        company, url = (await TenantService(work).find()).name, endpoint.url
    async with context.database.person_transaction(user_id=payload.user_id) as work:
        user = await work.session.scalar(select(AppUser).where(AppUser.id == payload.user_id))
    if user is None or not user.is_active:
        return
    mail = write_mail(
        "webhook-disabled", user.email, name=user.name, company=company, url=url, why=_WHY[payload.reason]
    )
    try:
        await MailSender(context.settings).send(mail)
    except MailRefused as error:
        raise Hopeless(f"the mail server refused the message: {error}") from error


async def _tell_owners(work: Work, endpoint_id: UUID, reason: str) -> None:
    if await is_sample(work):
        return
    owners = await work.session.scalars(
        select(Membership.user_id).where(
            Membership.tenant_id == work.tenant_id, Membership.role == OWNER, Membership.is_active
        )
    )
    for user_id in owners:
        tell_owner.ask(work, ToOwner(endpoint_id=endpoint_id, user_id=user_id, reason=reason))
