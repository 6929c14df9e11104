"""What can be allowed, and what each house role may do."""

from collections.abc import Iterable
from typing import Final

PERMISSIONS: Final[dict[str, str]] = {
    "company:read": "Ver los datos de la empresa",
    "company:write": "Cambiar los datos de la empresa",
    "products:read": "Ver productos y precios",
    "products:write": "Crear y cambiar productos, precios y categorías",
    "costs:read": "Ver costos y márgenes",
    "inventory:read": "Ver existencias y kárdex",
    "inventory:adjust": "Ajustar existencias",
    "inventory:transfer": "Trasladar entre bodegas",
    "inventory:count": "Contar existencias",
    "customers:read": "Ver clientes",
    "customers:write": "Crear y cambiar clientes",
    "cash:read": "Ver turnos de caja",
    "cash:operate": "Abrir y cerrar caja, registrar entradas y salidas",
    "cash:approve": "Aprobar diferencias de caja",
    "sales:post": "Vender",
    "sales:undocumented": "Vender sin documento electrónico en una empresa que los expide",
    "sales:read": "Ver ventas",
    "sales:return": "Recibir devoluciones",
    "sales:void": "Anular ventas; sin permiso de aprobar, con la aprobación de un supervisor",
    "sales:approve": "Aprobar descuentos, anulaciones y precios bajo costo",
    "refunds:cash": "Devolver en efectivo más de lo pagado en efectivo",
    "imports:write": "Importar datos",
    "dian:read": "Ver documentos electrónicos",
    "dian:issue": "Expedir y reenviar documentos electrónicos",
    "dian:write": "Configurar la facturación electrónica",
    "audit:read": "Ver la auditoría",
    "members:read": "Ver las personas de la empresa, sus roles e invitaciones",
    "members:write": "Invitar personas, cambiar su rol y retirarlas",
    "roles:write": "Crear y cambiar roles propios de la empresa",
    "keys:write": "Ver, crear y revocar llaves de API",
    "privacy:read": "Ver consentimientos y exportar los datos de una persona",
    "privacy:write": "Anotar consentimientos y suprimir los datos de una persona",
    "billing:read": "Ver la suscripción de la empresa, sus facturas y pagos",
    "billing:write": "Contratar, cambiar y cancelar la suscripción de la empresa",
    "backups:read": "Ver las copias de seguridad de la empresa",
    "backups:write": "Hacer, descargar y restaurar copias de seguridad de toda la empresa",
    "tickets:read": "Ver los casos de soporte de la empresa",
    "tickets:write": "Pedir ayuda al operador y escribir en los casos de soporte",
    "webhooks:read": "Ver los webhooks y su registro de entregas",
    "webhooks:write": "Configurar webhooks: enviar ventas, productos y documentos a otros sistemas",
    "reports:read": "Ver informes, indicadores y el tablero",
    "reports:write": "Descartar y posponer indicadores",
    "alerts:read": "Ver las alertas de la tienda y recibirlas por correo",
    "alerts:write": "Atender alertas, cambiar sus umbrales y las horas sin correos",
}
"""Permission to its Spanish name. A route may only name one of these."""

OWNER: Final = "owner"
"""The one role that only an owner gives or takes, whatever else somebody may do."""

_FOR_OWNERS: Final = frozenset({"keys:write", "billing:write", "backups:write"})
"""What an administrator does not get: a key outlives the day on which somebody trusted its maker, who pays decides, and a
copy is the whole company."""

_COUNTER: Final = frozenset(
    {
        "company:read",
        "products:read",
        "inventory:read",
        "customers:read",
        "customers:write",
        "cash:read",
        "sales:post",
        "sales:read",
    }
)

ROLES: Final[dict[str, frozenset[str]]] = {
    OWNER: frozenset(PERMISSIONS),
    "admin": frozenset(PERMISSIONS) - _FOR_OWNERS,
    "cashier": _COUNTER | {"cash:operate", "sales:return", "sales:void"},
    "seller": _COUNTER,
    "warehouse": frozenset(
        {
            "company:read",
            "products:read",
            "inventory:read",
            "inventory:adjust",
            "inventory:transfer",
            "inventory:count",
        }
    ),
    "accountant": frozenset(
        {
            "company:read",
            "products:read",
            "costs:read",
            "inventory:read",
            "customers:read",
            "customers:write",
            "cash:read",
            "sales:read",
            "dian:read",
            "audit:read",
            "reports:read",
            "alerts:read",
            "billing:read",
            "tickets:read",
            "tickets:write",
        }
    ),
    "auditor": frozenset(name for name in PERMISSIONS if name.endswith(":read")),
}
"""House role to permissions; a company's own roles are rows of `company_role`."""

ROLE_NAMES: Final[dict[str, str]] = {
    OWNER: "Propietario",
    "admin": "Administrador",
    "cashier": "Cajero",
    "seller": "Vendedor",
    "warehouse": "Bodeguero",
    "accountant": "Contador",
    "auditor": "Auditor",
}

AT_THE_TILL: Final = frozenset(
    {*_COUNTER, "costs:read", "cash:operate", "cash:approve", "refunds:cash"}
    | {"sales:return", "sales:void", "sales:approve"}
)
"""The most that somebody may who came in with a PIN: a few digits open the counter, not the company."""

FOR_KEYS: Final = frozenset(PERMISSIONS) - (
    {"members:read", "members:write", "roles:write", "keys:write", "dian:write", "backups:write", "webhooks:write"}
    | {"sales:approve", "cash:approve", "billing:read", "billing:write", "tickets:read", "tickets:write"}
)
"""What an API key may be allowed: never people, roles or keys, nor what the company signs with or sends elsewhere, and no
approving, which is a person's act."""


def permissions_of(role: str, own: Iterable[str] | None) -> frozenset[str]:
    """What a membership allows: its house role's permissions, or those of the company's own role, copied into it."""
    if own is None:
        return ROLES.get(role, frozenset())
    return frozenset(own) & PERMISSIONS.keys()
