"""A request's transaction, seen from the outside: begun by the guard, committed before the first byte of the answer.

The middleware holds the answer back until the commit has succeeded, so that nobody is told of a sale that is not there,
and stores it under the request's idempotency key in the same transaction.
"""

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any, Final, cast

import msgspec
from litestar import MediaType, Request, Response
from litestar.connection import ASGIConnection
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from sqlalchemy import TextClause, text

from app.db.api_keys import PREFIX, ApiKeys
from app.db.session import Database, Work
from app.db.support import enter_support
from app.lib.access import bearer, check_idempotency_key
from app.lib.actor import ACTOR_TABLES, GATE_COLUMNS, Access, Actor, admit, entry_of
from app.lib.edge import client_address, request_id
from app.lib.errors import RuleBroken
from app.lib.etag import tag_of
from app.lib.problem import refuse_nul, to_problem
from app.lib.ratelimit import RateLimits
from app.lib.tokens import AccessTokens, Claims

_READ_ACTOR = text(
    f"SELECT {GATE_COLUMNS} FROM {ACTOR_TABLES} WHERE m.tenant_id = :tenant_id AND t.tenant_id = :tenant_id "
    "AND m.user_id = :user_id AND a.id = :session_id"
)
_CLAIM = text(
    "INSERT INTO idempotency (tenant_id, user_id, key, body_hash) VALUES (:tenant_id, :user_id, :key, :body_hash) "
    "ON CONFLICT DO NOTHING"
)
_EARLIER = text(
    "SELECT body_hash, status, answer FROM idempotency "
    "WHERE tenant_id = :tenant_id AND user_id = :user_id AND key = :key"
)
_KEEP = text(
    "UPDATE idempotency SET status = :status, answer = :answer "
    "WHERE tenant_id = :tenant_id AND user_id = :user_id AND key = :key"
)

Event = dict[str, Any]
"""An ASGI message or scope, as plain as the protocol has it."""

_REPEATABLE: Final = frozenset({"POST", "PATCH", "DELETE", "PUT"})
_FIRST_REFUSAL: Final = 400


class Replay(Exception):
    """The request was answered before; the stored answer is sent again."""

    def __init__(self, status: int, answer: bytes) -> None:
        super().__init__("replayed")
        self.status = status
        self.answer = answer


def send_again(_request: Request[Any, Any, Any], replay: Replay) -> Response[bytes]:
    """The stored answer with its status, marked as one."""
    return Response(
        replay.answer,
        status_code=replay.status,
        media_type=MediaType.JSON if replay.answer else None,
        headers={"Idempotency-Replayed": "true"},
    )


class Keeper(msgspec.Struct, frozen=True):
    """How an answer is kept: a statement of `:status` and `:answer`, and the key it was claimed by."""

    statement: TextClause
    key: dict[str, Any]


class RequestWork:
    """What one request holds: its transaction, once a guard or a handler began one, and its idempotency key."""

    def __init__(self) -> None:
        self.work: Work | None = None
        self.key: str | None = None
        self.keeper: Keeper | None = None
        self.kept: bytes | None = None
        """What a replay answers instead, where the answer holds a secret that is stored nowhere."""
        self.replayed = False

    async def settle(self, status: int, body: bytes | None) -> None:
        """Commit what succeeded, with its answer; drop the rest."""
        work, self.work = self.work, None
        if work is None:
            return
        try:
            if status >= _FIRST_REFUSAL or self.replayed:
                return
            await work.finish()
            if self.keeper is not None and body is not None:
                answer = (body if self.kept is None else self.kept).decode()
                await work.session.execute(
                    self.keeper.statement, self.keeper.key | {"status": status, "answer": answer}
                )
            await work.commit()
        finally:
            await work.close()


class UnitOfWork(ASGIMiddleware):
    """Holds each answer until its transaction is settled."""

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        request_work = RequestWork()
        scope["state"]["request_work"] = request_work
        settling = _SettlingSend(scope, receive, send, request_work)
        try:
            await next_app(scope, receive, settling)
        finally:
            if request_work.work is not None:
                await request_work.work.close()


class _SettlingSend:
    """Stands between a handler and the wire: what it was told to send goes out once the transaction is settled."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, request_work: RequestWork) -> None:
        self._scope = scope
        self._receive = receive
        self._send = cast("Callable[[Event], Awaitable[None]]", send)
        self._work = request_work
        self._start: Event | None = None
        self._chunks: list[bytes] = []

    async def __call__(self, message: Message) -> None:
        event = cast("Event", message)
        if event["type"] == "http.response.start":
            self._start = event
        elif event["type"] != "http.response.body" or self._start is None:
            await self._send(event)
        elif event.get("more_body") and self._work.work is not None and self._work.key is not None:
            # An answer that is to be kept is kept whole.
            self._chunks.append(event["body"])
        else:
            await self._settle(self._start, event)

    async def _settle(self, start: Event, event: Event) -> None:
        self._start = None
        more = bool(event.get("more_body"))
        body = b"".join((*self._chunks, event["body"]))
        try:
            await self._work.settle(start["status"], None if more else body)
        except Exception as error:  # noqa: BLE001 - answered as a problem: the commit failed and nothing was sent yet
            request: Request[Any, Any, Any] = Request(self._scope, self._receive)
            response = to_problem(request, error).to_asgi_response(app=None, request=request)
            await response(self._scope, self._receive, cast("Send", self._send))
            return
        if not more and _is_tagged(cast("Event", self._scope), start):
            tag = tag_of(body)
            start["headers"] = [*start["headers"], (b"etag", tag.encode())]
            if tag in _wanted_tags(cast("Event", self._scope)):
                start = {"type": "http.response.start", "status": 304, "headers": [(b"etag", tag.encode())]}
                body = b""
        await self._send(start)
        await self._send({**event, "body": body})


def _is_tagged(scope: Event, start: Event) -> bool:
    """Whole JSON answers to a GET carry their tag; streams and files do not."""
    return (
        scope["method"] == "GET"
        and start["status"] == 200  # noqa: PLR2004
        and any(name == b"content-type" and b"json" in value for name, value in start["headers"])
    )


def _wanted_tags(scope: Event) -> set[str]:
    found = b",".join(value for name, value in scope["headers"] if name == b"if-none-match").decode("latin-1")
    return {tag.strip().removeprefix("W/") for tag in found.split(",")}


class RequestGate:
    """Answers the guards: who calls, and may they."""

    def __init__(self, database: Database, tokens: AccessTokens, limits: RateLimits) -> None:
        self._database = database
        self._tokens = tokens
        self._limits = limits
        self._keys = ApiKeys(database, limits)

    async def identify(self, connection: ASGIConnection[Any, Any, Any, Any]) -> Claims:
        """Check the token in process, or the API key, and the caller's rate. Raises 401 and 429."""
        token = bearer(connection)
        if token.startswith(PREFIX):
            claims = await self._keys.read(token, client_address(connection.scope))
        else:
            claims = self._tokens.read(token, "access", "support")
        await self._limits.count_request(connection.scope, claims)
        connection.scope["state"]["claims"] = claims
        return claims

    async def count_heavy(self, connection: ASGIConnection[Any, Any, Any, Any], claims: Claims, route: str) -> None:
        """Count a call of a costly route by this person. Raises 429."""
        await self._limits.count_heavy(connection.scope, claims, route)

    async def enter(self, connection: ASGIConnection[Any, Any, Any, Any], claims: Claims, access: Access) -> None:
        """Begin the request's transaction and read the person's state with its first statement. Raises 401 and 403."""
        request_work: RequestWork = connection.scope["state"]["request_work"]
        work = Work(self._database, self._database.session())
        request_work.work = work
        if claims.is_support:
            await enter_support(connection, work, claims, access)
            return
        await work.pin(tenant_id=claims.tenant_id, user_id=claims.user_id)
        row = (await work.session.execute(_READ_ACTOR, actor_key(claims))).mappings().one_or_none()
        role, permissions = admit(dict(row) if row else None, access)
        assert row is not None
        self._limits.learn(claims.tenant_id, row["requests_per_minute"])
        work.actor = Actor(
            tenant_id=claims.tenant_id,
            user_id=claims.user_id,
            session_id=claims.session_id,
            role=role,
            display_name=row["display_name"],
            permissions=permissions,
            tenant_status=row["tenant_status"],
            time_zone=row["time_zone"],
            address=client_address(connection.scope),
            request_id=request_id(connection.scope),
            branches=None if row["branches"] is None else frozenset(row["branches"]),
            entry=entry_of(dict(row)),
        )


def actor_key(claims: Claims) -> dict[str, Any]:
    return {"tenant_id": claims.tenant_id, "user_id": claims.user_id, "session_id": claims.session_id}


async def provide_work(request: Request[Any, Any, Any]) -> Work:
    """The request's transaction for a handler's services; claims its idempotency key, or raises the stored answer.

    A twin of a running request waits on the claim for its first's answer; the lock time limit makes that 409.
    """
    request_work: RequestWork = request.scope["state"]["request_work"]
    work = request_work.work
    if work is None:
        raise RuntimeError(f"{request.url.path} uses a transaction but its guard began none")
    if request.method not in _REPEATABLE:
        return work
    body = await request.body()
    if "json" in request.headers.get("content-type", "json"):
        refuse_nul(body)
    key = check_idempotency_key(request, required=False)
    if key is None or request.route_handler.opt.get("unkept"):
        return work
    claim = {"tenant_id": work.tenant_id, "user_id": work.actor.user_id, "key": key}
    body_hash = request_hash(request.method, request.scope["path"], request.scope["query_string"], body)
    claimed = await work.session.execute(_CLAIM, claim | {"body_hash": body_hash})
    if not claimed.rowcount:  # type: ignore[attr-defined]
        earlier = (await work.session.execute(_EARLIER, claim)).mappings().one()
        request_work.replayed = True
        raise replay_of(body_hash, earlier["body_hash"], earlier["status"], earlier["answer"])
    request_work.key = key
    request_work.keeper = Keeper(_KEEP, claim)
    return work


def request_hash(method: str, path: str, query: bytes, body: bytes) -> bytes:
    """What makes two requests with one key the same request."""
    return sha256(b"\0".join((method.encode(), path.encode(), query, body))).digest()


def replay_of(body_hash: bytes, stored_hash: bytes, status: int | None, answer: str | None) -> Exception:
    """The stored answer, or the refusal when the key was used for something else."""
    if body_hash != stored_hash or status is None or answer is None:
        return RuleBroken(
            "Esta Idempotency-Key ya se usó con otra solicitud.",
            code="idempotency-mismatch",
        )
    return Replay(status, answer.encode())
