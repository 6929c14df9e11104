"""The operator's desk: a request of its staff, admitted by its own door, acting on one company at a time.

One transaction as everybody's: what is done to a company, its trail, the operator's trail and the stored answer are
written together or not at all. What is asked across companies goes through the platform role, in transactions apart.
"""

from typing import Any, Final
from uuid import UUID

from litestar import Request
from litestar.connection import ASGIConnection
from sqlalchemy import text

from app.db.provider_trail import append
from app.db.session import Database, Work
from app.db.unit_of_work import Keeper, RequestWork, replay_of, request_hash
from app.lib import clock
from app.lib.access import bearer, check_idempotency_key
from app.lib.actor import PROVIDER_ROLE, Actor
from app.lib.edge import client_address, request_id
from app.lib.errors import NotFound
from app.lib.problem import refuse_nul
from app.lib.ratelimit import RateLimits
from app.lib.staff import Staff, StaffAccess, admit_staff
from app.lib.tokens import AccessTokens

_READ_STAFF = text(
    "SELECT u.name, u.role, u.is_active, u.password_change_required, u.totp_enabled_at, "
    "s.revoked_at IS NULL AND s.expires_at > :now AS session_active "
    "FROM provider_user u JOIN provider_session s ON s.user_id = u.id WHERE u.id = :user_id AND s.id = :session_id"
)
_COMPANY = text("SELECT status, time_zone FROM tenant WHERE tenant_id = :tenant_id")
_KEY: Final = "WHERE user_id = :user_id AND key = :key"
_CLAIM = text(
    "INSERT INTO provider_answer (user_id, key, body_hash) VALUES (:user_id, :key, :body_hash) ON CONFLICT DO NOTHING"
)
_EARLIER = text(f"SELECT body_hash, status, answer FROM provider_answer {_KEY}")
_KEEP = text(f"UPDATE provider_answer SET status = :status, answer = :answer {_KEY}")


class Desk:
    """What one request of the staff holds."""

    def __init__(self, work: Work, staff: Staff) -> None:
        self.work = work
        self.staff = staff

    @property
    def database(self) -> Database:
        return self.work.database

    async def enter(self, tenant_id: UUID) -> Work:
        """Turn the transaction to one company, in the name of this person. Raises `NotFound`."""
        await self.turn_to(tenant_id)
        row = (await self.work.session.execute(_COMPANY, {"tenant_id": tenant_id})).one_or_none()
        if row is None:
            raise NotFound("No hay tal empresa.")
        await self.turn_to(tenant_id, row.status, row.time_zone)
        return self.work

    async def turn_to(self, tenant_id: UUID, status: str = "trial", time_zone: str = "America/Bogota") -> Work:
        """The same for a company that is only being made."""
        staff = self.staff
        await self.work.pin(tenant_id=tenant_id, user_id=staff.id)
        self.work.actor = Actor(
            tenant_id=tenant_id,
            user_id=staff.id,
            session_id=staff.session_id,
            role=PROVIDER_ROLE,
            display_name=staff.name,
            permissions=frozenset(),
            tenant_status=status,
            time_zone=time_zone,
            address=staff.address,
            request_id=staff.request_id,
        )
        return self.work

    async def note(self, action: str, subject_id: UUID, *, company_id: UUID | None = None, after: Any = None) -> None:
        """Write a link of the operator's own trail. Call last: what the company's trail is to hold is written before,
        since the operator's end is the last of all locks.
        """
        await self.work.finish()
        await append(self.work, self.staff, action, subject_id, company_id=company_id, after=after)


class StaffGate:
    """Answers the guards of `/v1/provider`: who of the staff calls, and may they."""

    def __init__(self, database: Database, tokens: AccessTokens, limits: RateLimits) -> None:
        self._database = database
        self._tokens = tokens
        self._limits = limits
        # A leaked password opens every company: in production never without a second factor.
        self._totp_required = database.settings.environment == "production"

    async def enter(self, connection: ASGIConnection[Any, Any, Any, Any], access: StaffAccess) -> None:
        """Begin the request's transaction and read the person's state with its first statement. Raises 401, 403, 429."""
        claims = self._tokens.read(bearer(connection), "staff")
        await self._limits.count_request(connection.scope, claims)
        request_work: RequestWork = connection.scope["state"]["request_work"]
        work = Work(self._database, self._database.session())
        request_work.work = work
        await work.pin(user_id=claims.user_id)
        key = {"user_id": claims.user_id, "session_id": claims.session_id, "now": clock.now()}
        row = (await work.session.execute(_READ_STAFF, key)).mappings().one_or_none()
        admit_staff(dict(row) if row else None, access, totp_required=self._totp_required)
        assert row is not None
        connection.scope["state"]["staff"] = Staff(
            id=claims.user_id,
            session_id=claims.session_id,
            name=row["name"],
            role=row["role"],
            address=client_address(connection.scope),
            request_id=request_id(connection.scope),
        )


async def provide_desk(request: Request[Any, Any, Any]) -> Desk:
    """The request's transaction for a handler's services; claims its idempotency key, or raises the stored answer."""
    request_work: RequestWork = request.scope["state"]["request_work"]
    work = request_work.work
    assert work is not None
    staff: Staff = request.scope["state"]["staff"]
    desk = Desk(work, staff)
    if request.method == "GET":
        return desk
    body = await request.body()
    refuse_nul(body)
    key = check_idempotency_key(request, required=False)
    if key is None or request.route_handler.opt.get("unkept"):
        return desk
    claim = {"user_id": staff.id, "key": key}
    body_hash = request_hash(request.method, request.scope["path"], request.scope["query_string"], body)
    claimed = await work.session.execute(_CLAIM, claim | {"body_hash": body_hash})
    if not claimed.rowcount:  # type: ignore[attr-defined]
        earlier = (await work.session.execute(_EARLIER, claim)).mappings().one()
        request_work.replayed = True
        raise replay_of(body_hash, earlier["body_hash"], earlier["status"], earlier["answer"])
    request_work.key = key
    request_work.keeper = Keeper(_KEEP, claim)
    return desk
