"""The demo shop's doors: its people and places, and each thing they do, through the same services as the API."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from app.db.lane import Lane
from app.db.session import Database, Work
from app.dev.demo import people
from app.domain.accounts.models import AppUser, Role
from app.domain.accounts.schemas import LogIn
from app.domain.accounts.service import AccountService, Device, add_member, normalise_email
from app.domain.customers.service import CustomerService
from app.domain.invoicing.vault import Vault
from app.domain.sales.post import Caller, SalePoster
from app.domain.sales.schemas import PostSale
from app.domain.sample.people import company as company_of
from app.domain.sample.people import customers
from app.domain.sample.stage import Product, create_categories, create_products, numbered
from app.domain.tenants.service import TenantService
from app.lib import clock
from app.lib.actor import Actor
from app.lib.passwords import hash_password
from app.lib.permissions import ROLES
from app.lib.tokens import AccessTokens, Claims

_DEVICE: Final = Device("127.0.0.1", "demo", "demo")


class DemoShop:
    """A signed-up company. `owner` is first of its people; each cashier has the till of the same place."""

    def __init__(self, database: Database, lane: Lane, tokens: AccessTokens) -> None:
        self._database = database
        self._tokens = tokens
        self._accounts = AccountService(database, tokens)
        self._poster = SalePoster(lane, database.audit_keys, Vault(database.settings), database.bell)
        self.owner: Claims
        self.cashiers: list[Claims] = []
        self.registers: list[UUID] = []
        self.customers: list[UUID] = []
        self.products: dict[str, Product] = {}

    async def open(self, password: str, at: datetime) -> None:
        """Sign up, hire, and fill the catalogue; the shelves are filled at `at`."""
        begun = await self._accounts.sign_up(people.sign_up(password), _DEVICE, is_demo=True)
        self.owner = self._tokens.read(begun.access_token)
        for email, name in people.CASHIERS:
            self.cashiers.append(await self._hire(email, name, password))
        async with self.work(self.owner) as work:
            tenants = TenantService(work)
            company = await tenants.change(company_of(people.MAILBOX))
            first = company.registers[0]
            second = await tenants.add_register(first.branch_id, first.warehouse_id, "Caja 2")
            self.registers = [first.id, second.id]
        async with self.work(self.owner) as work:
            for customer in customers():
                made, _ = await CustomerService(work).create(customer)
                self.customers.append(made.id)
        async with self.work(self.owner) as work:
            ids = await create_products(work, numbered(), await create_categories(work))
            self.products = {sku: Product(product_id, Decimal(0)) for sku, product_id in ids.items()}
        clock.stand_here(at)

    @asynccontextmanager
    async def work(self, who: Claims) -> AsyncIterator[Work]:
        """A transaction in somebody's name."""
        async with self._database.tenant_transaction(self._actor(who)) as work:
            yield work

    async def sell(self, who: Claims, sale: PostSale, at: datetime) -> Any:
        """Post a ticket at an instant; answers it decoded."""
        clock.stand_here(at)
        key = uuid7().hex
        answer = await self._poster.post(sale, Caller(who, key, key.encode(), _DEVICE.address, _DEVICE.request_id))
        return msgspec.json.decode(answer)

    def _actor(self, who: Claims) -> Actor:
        role, name = (Role.OWNER, "Gloria Torres")
        for cashier, (_, cashier_name) in zip(self.cashiers, people.CASHIERS, strict=False):
            if cashier.user_id == who.user_id:
                role, name = Role.CASHIER, cashier_name
        return Actor(
            tenant_id=who.tenant_id,
            user_id=who.user_id,
            session_id=who.session_id,
            role=role,
            display_name=name,
            permissions=ROLES[role],
            tenant_status="active",
            time_zone="America/Bogota",
            address=_DEVICE.address,
            request_id=_DEVICE.request_id,
        )

    async def _hire(self, email: str, name: str, password: str) -> Claims:
        """A cashier of the company, logged in. Invitations do not exist yet; these people share the owner's password."""
        user_id = uuid7()
        password_hash = await hash_password(password)
        async with self._database.person_transaction(user_id=user_id) as work:
            await work.pin(tenant_id=self.owner.tenant_id, user_id=user_id)
            work.actor = self._actor(self.owner)
            work.session.add(
                AppUser(
                    id=user_id,
                    email=email,
                    email_norm=normalise_email(email),
                    name=name,
                    password_hash=password_hash,
                    email_verified_at=clock.now(),
                )
            )
            await work.flush()
            await add_member(work, user_id, Role.CASHIER, name)
        begun = await self._accounts.log_in(LogIn(email=email, password=password), _DEVICE)
        return self._tokens.read(begun.access_token)
