"""Who is calling, read from the database with the first statement of a request."""

from collections.abc import Mapping
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from app.lib import clock
from app.lib.errors import Forbidden, Unauthenticated
from app.lib.modules import CORE, is_on, read_spans
from app.lib.permissions import permissions_of

ACTOR_COLUMNS: Final = (
    "u.is_active AS user_active, m.is_active AS member_active, m.role AS role, m.permissions AS own_permissions, "
    "coalesce(a.key_name, m.display_name) AS display_name, a.key_name AS key_name, a.scopes AS scopes, "
    "a.revoked_at IS NULL AS session_active, t.status AS tenant_status, t.time_zone AS time_zone, "
    "u.password_change_required AS password_change_required, "
    "t.totp_required AND u.totp_enabled_at IS NULL AS totp_missing"
)
"""Selected by any first statement that joins `ACTOR_TABLES`."""

ACTOR_TABLES: Final = (
    "membership m JOIN app_user u ON u.id = m.user_id "
    "JOIN tenant t ON t.tenant_id = m.tenant_id "
    "JOIN auth_session a ON a.user_id = m.user_id"
)
"""Add `WHERE m.tenant_id = … AND t.tenant_id = … AND m.user_id = … AND a.id = …`."""

GATE_COLUMNS: Final = (
    f"{ACTOR_COLUMNS}, t.modules AS modules, t.requests_per_minute AS requests_per_minute, "
    "CASE WHEN NOT m.all_branches THEN ARRAY(SELECT l.branch_id FROM membership_branch l "
    "WHERE l.tenant_id = m.tenant_id AND l.membership_id = m.id) END AS branches"
)
"""The same with what only routes outside the fast lane ask: modules, the plan's rate, and branches (null: all of them)."""

Entry = Literal["login", "operator", "key", "support"]
"""How somebody came in: with a password, with a PIN at a till, with an API key, for the operator's support."""

KEY_ROLE: Final = "api-key"
"""What stands for a role where a program acts: none of the house's."""

PROVIDER_ROLE: Final = "provider"
"""What stands for a role where the operator's staff acts in a company or looks into it."""

PASSWORD_CHANGE: Final = "password-change-required"  # noqa: S105 - the code of a refusal
TOTP_ENROLMENT: Final = "totp-enrolment-required"
"""What a person may have to do before anything else: codes of the refusals meanwhile."""

OPEN_STATUSES: Final = frozenset({"trial", "active", "past-due"})


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """The person of a request, in the company of its token."""

    tenant_id: UUID
    user_id: UUID
    session_id: UUID
    role: str
    display_name: str
    permissions: frozenset[str]
    tenant_status: str
    time_zone: str
    address: str
    request_id: str
    branches: frozenset[UUID] | None = None
    """Where the person may act; None: everywhere. The fast lane does not read it, its statements ask themselves."""
    entry: Entry = "login"

    def may(self, permission: str) -> bool:
        return permission in self.permissions


class Access(msgspec.Struct, frozen=True):
    """What a route asks of its caller."""

    permission: str | None
    """None: any member of the company."""
    writes: bool
    in_read_only: bool
    """Allowed to a company that may only finish what it began."""
    module: str = CORE
    """What the company's plan must include."""
    in_suspended: bool = False
    """Open to a suspended company, and to a closed one if it only reads."""
    despite: frozenset[str] = frozenset()
    """Allowed to a person who must first do these (`PASSWORD_CHANGE`, `TOTP_ENROLMENT`)."""
    for_all_entries: bool = False
    """Without a permission: open also to who came in with a PIN or a key."""


def admit(row: Mapping[str, Any] | None, access: Access) -> tuple[str, frozenset[str]]:
    """Decide by the state in the database; answers role and permissions.

    Raises `Unauthenticated` when the person or the session no longer counts, `Forbidden` when it may not do this.
    """
    if row is None or not row["user_active"] or not row["session_active"]:
        raise Unauthenticated("Su sesión terminó; inicie sesión de nuevo.", code="session-ended")
    if not row["member_active"]:
        raise Forbidden("Su acceso a esta empresa fue retirado.", code="membership-inactive")
    role, permissions = row["role"], permissions_of(row["role"], row["own_permissions"])
    if row["scopes"] is not None:
        # A session with less than its person may: an operator's at a till, or an API key's.
        permissions &= frozenset(row["scopes"])
        if access.permission is None and not access.for_all_entries:
            raise Forbidden("Para esto hay que iniciar sesión con correo y contraseña.", code="login-required")
    if row["key_name"] is not None:
        role = KEY_ROLE
    else:
        _check_person(row, access)
    if access.permission is not None and access.permission not in permissions:
        raise Forbidden("Su rol no permite hacer esto.", permission=access.permission)
    if access.module != CORE and not is_on(read_spans(row["modules"]), access.module, clock.now()):
        raise Forbidden(
            "El plan de la empresa no incluye este módulo.", code="module-not-included", module=access.module
        )
    _check_status(row["tenant_status"], access)
    return role, permissions


def _check_person(row: Mapping[str, Any], access: Access) -> None:
    """Raise 403 for what a person must do first; a program can do neither."""
    if row["password_change_required"] and PASSWORD_CHANGE not in access.despite:
        raise Forbidden("Cambie su contraseña para continuar.", code=PASSWORD_CHANGE)
    if row["totp_missing"] and TOTP_ENROLMENT not in access.despite:
        raise Forbidden(
            "Esta empresa pide un segundo factor: regístrelo en su perfil para continuar.", code=TOTP_ENROLMENT
        )


def _check_status(status: str, access: Access) -> None:
    """Raise 403 for what the company's status closes; `app.domain.tenants.lifecycle` says what and why."""
    if status in OPEN_STATUSES:
        return
    if status == "read-only":
        if access.writes and not access.in_read_only:
            raise Forbidden("La empresa está en modo de solo lectura.", code="company-read-only", tenantStatus=status)
    elif not access.in_suspended or (access.writes and status == "closed"):
        detail = "La empresa está cerrada." if status == "closed" else "La empresa está suspendida."
        raise Forbidden(detail, code=f"company-{status}", tenantStatus=status)


def entry_of(row: Mapping[str, Any]) -> Entry:
    """How the person of an admitted row came in."""
    if row["scopes"] is None:
        return "login"
    return "operator" if row["key_name"] is None else "key"
