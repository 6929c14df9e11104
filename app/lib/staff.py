"""The operator's staff: what each role may do, and what support may see of a company it looks into."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import msgspec

from app.lib.actor import PASSWORD_CHANGE, PROVIDER_ROLE, TOTP_ENROLMENT
from app.lib.errors import Forbidden, Unauthenticated
from app.lib.permissions import PERMISSIONS

STAFF_PERMISSIONS: Final[dict[str, str]] = {
    "companies:read": "Ver las empresas, su estado y cuánto usan de su plan",
    "companies:create": "Crear empresas e invitar a su dueño",
    "companies:suspend": "Suspender y reactivar empresas",
    "companies:close": "Cerrar empresas",
    "support:open": "Entrar a una empresa a mirar, con motivo y por tiempo",
    "support:read": "Ver quién entró a qué empresa, y terminar esos accesos",
    "staff:read": "Ver al personal del operador",
    "staff:write": "Crear, cambiar y retirar al personal del operador",
    "trail:read": "Ver lo que hizo el personal del operador",
    "alerts:read": "Ver alertas, sus avisos y silencios",
    "alerts:write": "Atender y silenciar alertas, probar los canales",
    "jobs:read": "Ver trabajos en segundo plano y tareas programadas",
    "jobs:write": "Reintentar y descartar trabajos que fallaron",
}
"""Permission to its Spanish name. A route of `/v1/provider` may only name one of these."""

STAFF_ADMIN: Final = "admin"

STAFF_ROLES: Final[dict[str, frozenset[str]]] = {
    STAFF_ADMIN: frozenset(STAFF_PERMISSIONS),
    "support": frozenset(
        {"companies:read", "companies:create", "support:open", "support:read", "alerts:read", "jobs:read"}
    ),
    "billing": frozenset({"companies:read", "companies:create", "companies:suspend", "companies:close"}),
    "ops": frozenset(
        {
            "companies:read",
            "companies:suspend",
            "support:read",
            "trail:read",
            "staff:read",
            "alerts:read",
            "alerts:write",
            "jobs:read",
            "jobs:write",
        }
    ),
}
"""Role to permissions."""

STAFF_ROLE_NAMES: Final[dict[str, str]] = {
    STAFF_ADMIN: "Administrador",
    "support": "Soporte",
    "billing": "Cobranza",
    "ops": "Operaciones",
}

SUPPORT_PERMISSIONS: Final = frozenset(
    name for name in PERMISSIONS if name.endswith(":read") and name != "privacy:read"
)
"""What support sees of a company: what an auditor of its own does, and no person's whole file."""


def _literal(names: frozenset[str] | list[str]) -> str:
    return f"ARRAY[{', '.join(repr(name) for name in sorted(names))}]::text[]"


_MAY_OPEN: Final = _literal([role for role, held in STAFF_ROLES.items() if "support:open" in held])

SUPPORT_COLUMNS: Final = (
    f"p.is_active AND p.role = ANY ({_MAY_OPEN}) AS user_active, true AS member_active, '{PROVIDER_ROLE}' AS role, "
    f"{_literal(SUPPORT_PERMISSIONS)} AS own_permissions, s.staff_name AS display_name, CAST(NULL AS text) AS key_name, "
    f"{_literal(SUPPORT_PERMISSIONS)} AS scopes, s.ended_at IS NULL AS session_active, "
    # Support is most needed where the company itself no longer comes in: it reads as in read-only.
    "CASE WHEN t.status IN ('suspended', 'closed') THEN 'read-only' ELSE t.status END AS tenant_status, "
    "t.time_zone AS time_zone, false AS password_change_required, false AS totp_missing"
)
"""For somebody of the operator's support, what `app.lib.actor.ACTOR_COLUMNS` are for a member: `admit` decides by either."""

SUPPORT_TABLES: Final = (
    "support_access s JOIN provider_user p ON p.id = s.staff_id JOIN tenant t ON t.tenant_id = s.tenant_id"
)
"""Add `WHERE s.tenant_id = … AND t.tenant_id = … AND s.staff_id = … AND s.id = …`, and an end that is not over."""


class Staff(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody of the operator's, as a request of theirs found them."""

    id: UUID
    session_id: UUID
    name: str
    role: str
    address: str
    request_id: str

    def may(self, permission: str) -> bool:
        return permission in STAFF_ROLES.get(self.role, frozenset())


class StaffAccess(msgspec.Struct, frozen=True):
    """What a route of the operator's asks of its caller."""

    permission: str | None
    """None: anybody of the staff, for their own account."""
    despite: frozenset[str] = frozenset()
    """Allowed to somebody who must first do these (`PASSWORD_CHANGE`, `TOTP_ENROLMENT`)."""


def admit_staff(row: Mapping[str, Any] | None, access: StaffAccess, *, totp_required: bool) -> None:
    """Decide by the state in the database. Raises `Unauthenticated` and `Forbidden`."""
    if row is None or not row["is_active"] or not row["session_active"]:
        raise Unauthenticated("Su sesión terminó; inicie sesión de nuevo.", code="session-ended")
    if row["password_change_required"] and PASSWORD_CHANGE not in access.despite:
        raise Forbidden("Cambie su contraseña para continuar.", code=PASSWORD_CHANGE)
    if totp_required and row["totp_enabled_at"] is None and TOTP_ENROLMENT not in access.despite:
        raise Forbidden("Registre su segundo factor para continuar.", code=TOTP_ENROLMENT)
    if access.permission is not None and access.permission not in STAFF_ROLES.get(row["role"], frozenset()):
        raise Forbidden("Su rol no permite hacer esto.", permission=access.permission)
