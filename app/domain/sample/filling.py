"""Fills a sample company: its catalogue, then day after day of its history.

It may be cut short anywhere and goes on in another run: what was made is written down with it, and a day that was begun
is only closed. A run is a session of the person's, and there is one: who takes over ends the one before, whose next step
then finds that it is over, as it does when the person closed the sample meanwhile.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import Select, select, update
from uuid_utils.compat import uuid7

from app.db.jobs import JobContext
from app.db.lane import Lane
from app.db.session import Work
from app.domain.accounts.company_sessions import begin_scoped, end_in_company
from app.domain.accounts.models import Membership, Role
from app.domain.cash.sessions import SessionService
from app.domain.customers.service import CustomerService
from app.domain.inventory.reads import StockReads
from app.domain.invoicing.vault import Vault
from app.domain.sales.post import Caller, SalePoster
from app.domain.sales.schemas import PostSale
from app.domain.sample.days import Day, days_until
from app.domain.sample.history import History
from app.domain.sample.models import SampleCompany
from app.domain.sample.people import company, customers
from app.domain.sample.service import DAYS, ZONE
from app.domain.sample.stage import Product, batches, create_categories, create_products, numbered
from app.domain.tenants.service import TenantService
from app.lib import clock
from app.lib.actor import Actor
from app.lib.errors import DomainError
from app.lib.permissions import ROLES
from app.lib.tokens import Claims

_AGENT: Final = "Empresa de muestra"
_LASTS: Final = timedelta(hours=2)
"""Of a run's session, should nobody end it."""
_BATCH: Final = 10
"""Products of one transaction: who closes the sample waits for no longer one."""
_PAGE: Final = 200


class Abandoned(Exception):
    """The sample was closed, or another run took over: this one has nothing more to do."""


class Made(msgspec.Struct):
    """What is there before the first day."""

    registers: list[UUID] = []
    customers: list[UUID] = []
    categories: dict[str, UUID] = {}
    products: dict[str, UUID] = {}


async def fill(context: JobContext, user_id: UUID) -> int:
    """Write what is missing of a sample; answers how many tickets this run posted. Raises `Abandoned`."""
    lane = Lane(context.settings)
    try:
        sample = SampleShop(context, lane, user_id)
        done = await sample.take_over()
        history = History(sample)
        await sample.make_places()
        await sample.make_customers()
        await sample.make_products()
        await sample.read_shelves()
        days = list(days_until(await sample.today(), DAYS))
        if not any(product.left for product in sample.products.values()):
            clock.stand_here(days[0].at(6) - timedelta(days=1))
            await history.fill_shelves()
        if done:
            await history.close_left(days[done - 1], await sample.open_drawers())
        for day in days[done:]:
            clock.stand_here(None)
            await sample.begin(day)
            await history.live(day)
        clock.stand_here(None)
        await sample.finish()
        return history.sales
    finally:
        clock.stand_here(None)
        await lane.close()


class SampleShop:
    """The stage of a sample: its owner sells at both tills."""

    def __init__(self, context: JobContext, lane: Lane, user_id: UUID) -> None:
        self._database = context.database
        self._poster = SalePoster(lane, self._database.audit_keys, Vault(context.settings), self._database.bell)
        self._run_id = uuid7()
        self._actor = Actor(
            tenant_id=context.tenant_id,
            user_id=user_id,
            session_id=self._run_id,
            role=Role.OWNER,
            display_name="",
            permissions=ROLES[Role.OWNER],
            tenant_status="active",
            time_zone=ZONE,
            address="",
            request_id=context.request_id,
        )
        expires = (clock.now() + _LASTS).timestamp()
        self.owner = Claims(user_id, context.tenant_id, self._run_id, expires)
        self.cashiers = [self.owner, self.owner]
        self.registers: list[UUID] = []
        self.customers: list[UUID] = []
        self.products: dict[str, Product] = {}
        self.made = Made()

    async def take_over(self) -> int:
        """Make this run the one that writes; answers how many days were begun. Raises `Abandoned` when none is wanted."""
        actor = self._actor
        async with self._database.tenant_transaction(actor) as work:
            row = (await work.session.scalars(_mine(actor).with_for_update())).one_or_none()
            member = await work.session.scalar(
                select(Membership).where(
                    Membership.tenant_id == actor.tenant_id, Membership.user_id == actor.user_id, Membership.is_active
                )
            )
            if row is None or row.closed_at is not None or row.ready_at is not None or member is None:
                raise Abandoned
            if row.run_id is not None:
                await end_in_company(work, actor.user_id, row.run_id)
            begun = await begin_scoped(
                work,
                self._run_id,
                actor.user_id,
                ROLES[Role.CASHIER],
                expires_at=clock.now() + _LASTS,
                agent=_AGENT,
            )
            if not begun:
                raise Abandoned
            await _write(work, run_id=self._run_id)
            self._actor = msgspec.structs.replace(actor, display_name=member.display_name)
            self.made = msgspec.convert(row.kept, Made)
            return row.days_begun

    @asynccontextmanager
    async def work(self, who: Claims) -> AsyncIterator[Work]:  # noqa: ARG002 - the name that the protocol gives it
        """A transaction in the owner's name. Raises `Abandoned` once this run is not the one that writes."""
        async with self._database.tenant_transaction(self._actor) as work:
            await self._check(work)
            yield work

    async def sell(self, who: Claims, sale: PostSale, at: datetime) -> Any:
        """Post a ticket at an instant; answers it decoded. Raises `Abandoned` once this run is over."""
        clock.stand_here(at)
        key = uuid7().hex
        try:
            answer = await self._poster.post(sale, Caller(who, key, key.encode(), "", self._actor.request_id))
        except DomainError:
            # The session may have ended under it, with the sample or with the run; or its drawer was closed by another.
            async with self._database.tenant_transaction(self._actor) as work:
                await self._check(work)
            raise
        return msgspec.json.decode(answer)

    async def make_places(self) -> None:
        """The store's settings and its second till."""
        if not self.made.registers:
            async with self.work(self.owner) as work:
                tenants = TenantService(work)
                found = await tenants.change(company())
                first = found.registers[0]
                second = await tenants.add_register(first.branch_id, first.warehouse_id, "Caja 2")
                self.made.registers = [first.id, second.id]
                await self._keep(work)
        self.registers = self.made.registers

    async def make_customers(self) -> None:
        if not self.made.customers:
            async with self.work(self.owner) as work:
                made = [(await CustomerService(work).create(each))[0].id for each in customers()]
                self.made.customers = made
                await self._keep(work)
        self.customers = self.made.customers

    async def make_products(self) -> None:
        """The catalogue, a few products at a time."""
        if not self.made.categories:
            async with self.work(self.owner) as work:
                self.made.categories = await create_categories(work)
                await self._keep(work)
        missing = [each for each in numbered() if each[1].sku not in self.made.products]
        for some in batches(missing, _BATCH):
            async with self.work(self.owner) as work:
                ids = await create_products(work, some, self.made.categories)
                self.made.products |= ids
                await self._keep(work)
        self.products = {sku: Product(product_id, Decimal(0)) for sku, product_id in self.made.products.items()}

    async def read_shelves(self) -> None:
        """What is left of each good."""
        async with self.work(self.owner) as work:
            page = await StockReads(work).stock(
                product_id=None, warehouse_id=None, below_minimum=False, limit=_PAGE, cursor=None
            )
        for item in page.items:
            if item.sku in self.products:
                self.products[item.sku].left = Decimal(item.quantity)

    async def today(self) -> date:
        """The day that the history ends before."""
        async with self.work(self.owner) as work:
            return (await work.session.scalars(_mine(self._actor))).one().last_day + timedelta(days=1)

    async def open_drawers(self) -> list[UUID]:
        """What a run that was cut short left open."""
        async with self.work(self.owner) as work:
            page = await SessionService(work).registers(_PAGE, None)
        return [each.open_session.id for each in page.items if each.open_session is not None]

    async def begin(self, day: Day) -> None:
        async with self.work(self.owner) as work:
            await _write(work, days_begun=day.number + 1)

    async def finish(self) -> None:
        """The sample is ready; its run's session ends."""
        async with self.work(self.owner) as work:
            await _write(work, ready_at=clock.now(), run_id=None)
            await end_in_company(work, self._actor.user_id, self._run_id)

    async def _keep(self, work: Work) -> None:
        await _write(work, kept=msgspec.to_builtins(self.made))

    async def _check(self, work: Work) -> None:
        """Hold the sample as it is until the end of the transaction. Raises `Abandoned`."""
        run_id = await work.session.scalar(
            select(SampleCompany.run_id)
            .where(
                SampleCompany.user_id == self._actor.user_id,
                SampleCompany.tenant_id == self._actor.tenant_id,
                SampleCompany.closed_at.is_(None),
            )
            .with_for_update(read=True)
        )
        if run_id != self._run_id:
            raise Abandoned


def _mine(actor: Actor) -> Select[SampleCompany]:
    return select(SampleCompany).where(
        SampleCompany.user_id == actor.user_id, SampleCompany.tenant_id == actor.tenant_id
    )


async def _write(work: Work, **values: Any) -> None:
    await work.session.execute(
        update(SampleCompany)
        .where(SampleCompany.user_id == work.actor.user_id, SampleCompany.tenant_id == work.tenant_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
