"""Transactions: the only place that begins and commits. One request or job, one transaction, one company."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from msgspec import structs
from sqlalchemy import insert, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from uuid_utils.compat import uuid7

from app.db.platform import OutboxJob
from app.lib import audit, clock
from app.lib.actor import Actor
from app.lib.audit import AuditKeys, Entry
from app.lib.audit_seal import AuditSeal
from app.lib.jobs import Ask, Bell, Queue
from app.lib.person_keys import Personal, PersonKeys
from app.settings import Settings

SERVER_SETTINGS: Final = {
    "application_name": "mostrador",
    "statement_timeout": "15000",
    "lock_timeout": "3000",
    "idle_in_transaction_session_timeout": "30000",
    "timezone": "UTC",
    "jit": "off",
}
"""Sent with each connection; milliseconds."""

_POOL_WAIT: Final = 5
"""Seconds a request waits for a connection before it is answered 503."""

_PIN = text(
    "SELECT set_config('app.tenant_id', :tenant_id, true), set_config('app.user_id', :user_id, true), "
    "set_config('app.login_email', :login_email, true)"
)
"""`true` keeps the settings inside the transaction, so a pooled connection carries nothing over."""


class Database:
    """Engines of one process: the application's, and the platform's for the short list of cross-company work."""

    def __init__(self, settings: Settings, bell: Bell) -> None:
        self.settings = settings
        self.bell = bell
        self.audit_keys = AuditKeys(settings.secret_key)
        self.audit_seal = AuditSeal(settings.secret_key)
        self.person_keys = PersonKeys(settings.secret_key)
        self.engine = _engine(settings.database_url, settings.pool_size, settings)
        self.platform_engine = _engine(settings.database_platform_url, 2, settings)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False, autoflush=False)
        self._platform = async_sessionmaker(self.platform_engine, expire_on_commit=False, autoflush=False)

    def session(self) -> AsyncSession:
        return self._sessions()

    async def close(self) -> None:
        await self.engine.dispose()
        await self.platform_engine.dispose()

    @asynccontextmanager
    async def tenant_transaction(self, actor: Actor) -> AsyncIterator["Work"]:
        """Run a block as one person of one company: commit on success, roll back on any exception."""
        work = Work(self, self.session())
        try:
            await work.pin(tenant_id=actor.tenant_id, user_id=actor.user_id)
            work.actor = actor
            yield work
            await work.commit()
        finally:
            await work.close()

    @asynccontextmanager
    async def job_transaction(self, tenant_id: UUID, request_id: str = "") -> AsyncIterator["Work"]:
        """Run a background block as one company, in the name of the system."""
        async with self.tenant_transaction(system_actor(tenant_id, request_id)) as work:
            yield work

    @asynccontextmanager
    async def person_transaction(
        self, *, user_id: UUID | None = None, login_email: str | None = None
    ) -> AsyncIterator["Work"]:
        """Run a block as one person before a company is chosen: login, refresh, sign-up."""
        work = Work(self, self.session())
        try:
            await work.pin(user_id=user_id, login_email=login_email)
            yield work
            await work.commit()
        finally:
            await work.close()

    @asynccontextmanager
    async def platform_transaction(self) -> AsyncIterator[AsyncSession]:
        """Run a block across companies, with the platform role's short list of tables."""
        async with self._platform() as session, session.begin():
            yield session


class Work:
    """A transaction with what must happen at its end: jobs asked for, audit links, the bell."""

    def __init__(self, database: Database, session: AsyncSession) -> None:
        self.database = database
        self.session = session
        self._actor: Actor | None = None
        self._asks: list[tuple[UUID, Ask]] = []
        self._rings = False
        """Whether jobs were written that somebody should hear of once they are committed."""
        self._entries: list[Entry] = []
        self._tenant_id: UUID | None = None

    @property
    def actor(self) -> Actor:
        if self._actor is None:
            raise RuntimeError("this transaction has no actor: it belongs to a person, not to a company")
        return self._actor

    @actor.setter
    def actor(self, actor: Actor) -> None:
        self._actor = actor

    @property
    def tenant_id(self) -> UUID:
        return self.actor.tenant_id

    async def pin(
        self, *, tenant_id: UUID | None = None, user_id: UUID | None = None, login_email: str | None = None
    ) -> None:
        """Tie the transaction to a company and a person; row level security shows nothing else. May be called again."""
        self._tenant_id = tenant_id or self._tenant_id
        if self.database.settings.pin == "set_local":
            connection = await self.session.connection()
            for name, value in (("tenant_id", tenant_id), ("user_id", user_id)):
                await connection.exec_driver_sql(f"SET LOCAL app.{name} = '{UUID(str(value)) if value else ''}'")
            quoted = (login_email or "").replace("'", "''")
            await connection.exec_driver_sql(f"SET LOCAL app.login_email = '{quoted}'")
            return
        await self.session.execute(
            _PIN,
            {
                "tenant_id": str(tenant_id or ""),
                "user_id": str(user_id or ""),
                "login_email": login_email or "",
            },
        )

    def ask(self, kind: str, payload: dict[str, Any], queue: Queue = "short", delay: timedelta = timedelta()) -> UUID:
        """Want a background job once this transaction has committed; answers the job's id."""
        job_id = uuid7()
        self._asks.append((job_id, Ask(kind=kind, payload=payload, queue=queue, delay=delay)))
        return job_id

    def record(self, action: str, subject_id: UUID, *, before: Any = None, after: Any = None, number: int = 0) -> None:
        """Write a link of the company's audit chain at the end of this transaction.

        `Personal` values inside `before` and `after` are sealed under their person's key.
        """
        self._entries.append(Entry(action=action, subject_id=subject_id, before=before, after=after, number=number))

    async def seal(self, personal: Personal) -> Any:
        """A value as the trail may keep it: its personal fields sealed, the rest as it is."""
        return (await self.database.person_keys.seal(self.session, self.tenant_id, [personal]))[0]

    @asynccontextmanager
    async def in_company(self, actor: Actor) -> AsyncIterator["Work"]:
        """Turn this transaction to another company for a block, in somebody's name there, and back.

        What the block asks for and records is that company's; all of it is committed with this transaction or not at all.
        """
        await self.session.flush()
        other = Work(self.database, self.session)
        await other.pin(tenant_id=actor.tenant_id, user_id=actor.user_id)
        other.actor = actor
        yield other
        await other.finish()
        self._rings = self._rings or other._rings
        await self.pin(tenant_id=self.tenant_id, user_id=self.actor.user_id)

    async def flush(self) -> None:
        await self.session.flush()

    async def finish(self) -> None:
        """Everything but the commit: pending rows, outbox rows, then audit links, in the order of locks.

        Each is written once, however often this is called.
        """
        await self.session.flush()
        if self._asks:
            self._rings = True
            request_id = self._actor.request_id if self._actor else None
            await self.session.execute(
                insert(OutboxJob),
                [
                    {
                        "tenant_id": self._tenant_id,
                        "id": job_id,
                        "queue": ask.queue,
                        "kind": ask.kind,
                        "payload": ask.payload,
                        "due_at": clock.now() + ask.delay,
                        "request_id": request_id,
                    }
                    for job_id, ask in self._asks
                ],
            )
            self._asks.clear()
        if self._entries:
            # Keys before the chain's end, which is locked last.
            pairs: list[Any] = [[entry.before, entry.after] for entry in self._entries]
            sealed = await self.database.person_keys.seal(self.session, self.tenant_id, pairs)
            for entry, (before, after) in zip(self._entries, sealed, strict=True):
                kept = structs.replace(entry, before=before, after=after)
                await audit.append(self.session, self.database.audit_keys, self.actor, kept)
        self._entries.clear()

    async def commit(self) -> None:
        """Finish and commit; then ring the bell if jobs were asked for."""
        await self.finish()
        await self.session.commit()
        if self._rings:
            self._rings = False
            self.database.bell.ring()

    async def close(self) -> None:
        """Give the connection back, rolling back whatever was not committed."""
        await self.session.close()


SYSTEM_USER: Final = UUID(int=0)
"""Who background work acts as."""


def system_actor(tenant_id: UUID, request_id: str = "") -> Actor:
    """The system itself, as the audit trail names it."""
    return Actor(
        tenant_id=tenant_id,
        user_id=SYSTEM_USER,
        session_id=SYSTEM_USER,
        role=audit.SYSTEM_ROLE,
        display_name="Sistema",
        permissions=frozenset(),
        tenant_status="active",
        time_zone="America/Bogota",
        address="",
        request_id=request_id,
    )


def driver_url(url: str) -> str:
    """The same address for SQLAlchemy's asyncpg dialect."""
    return make_url(url).set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)


def _engine(url: str, size: int, settings: Settings) -> AsyncEngine:
    connect_args: dict[str, Any] = {"server_settings": SERVER_SETTINGS, "timeout": 5}
    if settings.behind_pooler:
        connect_args |= {"statement_cache_size": 0, "prepared_statement_name_func": lambda: f"__m_{uuid7().hex}__"}
    return create_async_engine(
        driver_url(url),
        pool_size=size,
        max_overflow=0,
        pool_timeout=_POOL_WAIT,
        pool_pre_ping=True,
        # An error's text goes into logs, records of jobs and alerts: values are people's names, PINs and tokens.
        hide_parameters=True,
        connect_args=connect_args,
    )
