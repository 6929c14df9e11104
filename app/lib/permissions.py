"""What can be allowed, and what each house role may do."""

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
    "sales:read": "Ver ventas",
    "sales:return": "Recibir devoluciones",
    "sales:void": "Anular ventas",
    "refunds:cash": "Devolver en efectivo más de lo pagado en efectivo",
    "imports:write": "Importar datos",
    "audit:read": "Ver la auditoría",
}
"""Permission to its Spanish name. A route may only name one of these."""

ROLES: Final[dict[str, frozenset[str]]] = {
    "owner": frozenset(PERMISSIONS),
    "cashier": frozenset(
        {
            "company:read",
            "products:read",
            "inventory:read",
            "customers:read",
            "customers:write",
            "cash:read",
            "cash:operate",
            "sales:post",
            "sales:read",
            "sales:return",
        }
    ),
}
"""Role to permissions."""
