"""API keys: what programs come in with; scoped, hashed, ended at once."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import insert, select, update
from uuid_utils.compat import uuid7

from app.db.api_keys import new_key
from app.db.session import Work
from app.domain.accounts.company_sessions import begin_scoped, end_in_company
from app.domain.members.company import take_turn
from app.domain.members.models import ApiKey
from app.domain.members.schemas import CreateKey, KeyOut, KeyPage, NewKeyOut
from app.lib import clock
from app.lib.errors import FieldError, Forbidden, NotFound, RuleBroken, Unauthenticated
from app.lib.pages import after, cut
from app.lib.permissions import FOR_KEYS, PERMISSIONS


class KeyService:
    """Makes, lists and ends the keys of the company."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def page(self, limit: int, cursor: str | None) -> KeyPage:
        """Keys, the newest first, ended ones among them."""
        statement = select(ApiKey).where(ApiKey.tenant_id == self._work.tenant_id).limit(limit + 1)
        statement = after(statement, (ApiKey.created_at, ApiKey.id), cursor, tuple[datetime, UUID], descending=True)
        rows = (await self._work.session.scalars(statement)).all()
        page, next_cursor = cut(rows, limit, lambda row: (row.created_at, row.id))
        return KeyPage(items=[key_out(row) for row in page], next_cursor=next_cursor)

    async def create(self, data: CreateKey) -> NewKeyOut:
        """Make a key and tell it, once.

        Raises 403 `cannot-grant`, 422 `unknown-permission`, `not-for-keys` or `expires-in-the-past`.
        """
        work, now = self._work, clock.now()
        self._check(data, now)
        await take_turn(work)
        key_id = uuid7()
        parts = new_key(work.tenant_id, key_id)
        row = {
            "tenant_id": work.tenant_id,
            "id": key_id,
            "name": data.name.strip(),
            "user_id": work.actor.user_id,
            "scopes": sorted(set(data.scopes)),
            "hint": parts.text[-4:],
            "secret_hash": parts.secret_hash,
            "expires_at": data.expires_at,
            "created_at": now,
        }
        made = (await work.session.scalars(insert(ApiKey).values(row).returning(ApiKey))).one()
        if not await begin_scoped(
            work, key_id, work.actor.user_id, made.scopes, key_name=made.name, expires_at=data.expires_at
        ):
            raise Unauthenticated("Su sesión terminó; inicie sesión de nuevo.", code="session-ended")
        told = key_out(made)
        work.record("api-key.created", key_id, after=told)
        return NewKeyOut(
            id=told.id,
            name=told.name,
            scopes=told.scopes,
            hint=told.hint,
            created_by=told.created_by,
            created_at=told.created_at,
            expires_at=told.expires_at,
            last_used_at=None,
            revoked_at=None,
            key=parts.text,
        )

    async def revoke(self, key_id: UUID) -> None:
        """End a key; its next request is refused. Raises `NotFound`."""
        work = self._work
        await take_turn(work)
        mine = (ApiKey.tenant_id == work.tenant_id, ApiKey.id == key_id)
        row = await work.session.scalar(select(ApiKey).where(*mine))
        if row is None:
            raise NotFound("Esa llave no existe.")
        if row.revoked_at is not None:
            return
        await work.session.execute(
            update(ApiKey).where(*mine).values(revoked_at=clock.now()).execution_options(synchronize_session=False)
        )
        await end_in_company(work, row.user_id, key_id)
        work.record("api-key.revoked", key_id, before=key_out(row))

    def _check(self, data: CreateKey, now: datetime) -> None:
        for place, scope in enumerate(data.scopes):
            pointer = f"/scopes/{place}"
            if scope not in PERMISSIONS:
                raise RuleBroken(
                    "Ese permiso no existe.",
                    code="unknown-permission",
                    errors=(FieldError(pointer, "unknown-permission", "No existe."),),
                )
            if scope not in FOR_KEYS:
                raise RuleBroken(
                    "Una llave no administra personas, roles ni llaves.",
                    code="not-for-keys",
                    errors=(FieldError(pointer, "not-for-keys", "No es para llaves."),),
                )
            if not self._work.actor.may(scope):
                raise Forbidden(
                    "No puede dar permisos que usted no tiene.",
                    code="cannot-grant",
                    errors=(FieldError(pointer, "cannot-grant", "Usted no lo tiene."),),
                    permissions=[scope],
                )
        if data.expires_at is not None and data.expires_at <= now:
            raise RuleBroken(
                "La llave debe vencer en el futuro.",
                code="expires-in-the-past",
                errors=(FieldError("/expiresAt", "expires-in-the-past", "Ya pasó."),),
            )


def key_out(row: ApiKey) -> KeyOut:
    return KeyOut(
        id=row.id,
        name=row.name,
        scopes=sorted(row.scopes),
        hint=row.hint,
        created_by=row.user_id,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )
