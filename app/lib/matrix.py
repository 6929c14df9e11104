"""Who may call what, as one table: every route beside every role, read off the guards that decide it."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from litestar.routes import HTTPRoute

from app.lib.access import Requires, RequiresStaff
from app.lib.actor import Access
from app.lib.permissions import AT_THE_TILL, FOR_KEYS, PERMISSIONS, ROLE_NAMES, ROLES
from app.lib.staff import STAFF_PERMISSIONS, STAFF_ROLE_NAMES, STAFF_ROLES

OPERATOR: Final = "operator"
"""An owner who came in with a PIN."""
KEY: Final = "api-key"
"""An owner's key with every scope that a key may have."""

COLUMNS: Final[dict[str, str]] = {**ROLE_NAMES, OPERATOR: "Con PIN", KEY: "Llave de API"}
"""Who calls, and the Spanish heading; roles first."""

YES: Final = "sí"
NO: Final = "403"

_HEAD: Final = """# Permisos

Qué contesta cada ruta a cada rol. Este archivo se genera con `mostrador permissions --out docs/PERMISOS.md`; una prueba
falla si no está al día, y otra llama cada ruta con cada rol y compara.

- **sí**: el permiso alcanza; lo demás (datos válidos, turno propio, aprobación de un supervisor) lo dice cada ruta.
- **403**: el rol no alcanza, y se dice antes de mirar la solicitud.
- Sin sesión, toda ruta con permiso responde 401.
- **Con PIN**: un propietario que tomó la caja con su PIN; nunca más que el mostrador.
- **Llave de API**: una llave de un propietario con todo lo que una llave puede tener.
- Un rol propio de la empresa responde según los permisos que se le dieron, que son los de la segunda tabla.
"""


class Row(msgspec.Struct, frozen=True):
    """One route of the table."""

    method: str
    path: str
    permission: str | None
    """None: any member of the company."""
    answers: dict[str, bool]
    """Column to whether the guard lets it in."""


def rows_of(routes: Iterable[Any]) -> list[Row]:
    """Every route that asks for a login, by path and method."""
    found = [
        Row(method, route.path_format, guard.access.permission, _answers(guard.access))
        for route in routes
        if isinstance(route, HTTPRoute)
        for method, (handler, _) in route.route_handler_map.items()
        for guard in handler.resolve_guards()
        if isinstance(guard, Requires)
    ]
    return sorted(found, key=lambda row: (row.path, row.method))


def open_routes(routes: Iterable[Any]) -> list[tuple[str, str]]:
    """Method and path of every route without a login."""
    return sorted(
        (route.path_format or "/", method)
        for route in routes
        if isinstance(route, HTTPRoute)
        for method, (handler, _) in route.route_handler_map.items()
        if method != "OPTIONS"
        and not any(isinstance(guard, (Requires, RequiresStaff)) for guard in handler.resolve_guards())
    )


def _answers(access: Access) -> dict[str, bool]:
    if access.permission is None:
        return {**dict.fromkeys(ROLES, True), OPERATOR: access.for_all_entries, KEY: access.for_all_entries}
    roles = {role: access.permission in permissions for role, permissions in ROLES.items()}
    return {**roles, OPERATOR: access.permission in AT_THE_TILL, KEY: access.permission in FOR_KEYS}


def markdown(routes: Iterable[Any]) -> str:
    """The document with its tables."""
    routes = list(routes)
    lines = [_HEAD, "## Rutas", "", _line("Ruta", "Permiso", *COLUMNS.values()), _line(*["---"] * (2 + len(COLUMNS)))]
    lines += [
        _line(
            f"`{row.method} {row.path}`",
            f"`{row.permission}`" if row.permission else "cualquiera",
            *(YES if row.answers[column] else NO for column in COLUMNS),
        )
        for row in rows_of(routes)
    ]
    lines += ["", "## Permisos", "", _line("Permiso", "Qué permite", "Roles"), _line("---", "---", "---")]
    lines += [
        _line(f"`{name}`", said, ", ".join(ROLE_NAMES[role] for role, held in ROLES.items() if name in held))
        for name, said in PERMISSIONS.items()
    ]
    lines += _of_the_operator(routes)
    lines += ["", "## Sin sesión", "", "Estas rutas no piden sesión, o traen su propia credencial:", ""]
    lines += [f"- `{method} {path}`" for path, method in open_routes(routes)]
    return "\n".join(lines) + "\n"


def staff_rows_of(routes: Iterable[Any]) -> list[Row]:
    """Every route of the operator's staff, by path and method; columns are their roles."""
    found = [
        Row(
            method,
            route.path_format,
            guard.access.permission,
            {
                role: guard.access.permission is None or guard.access.permission in STAFF_ROLES[role]
                for role in STAFF_ROLES
            },
        )
        for route in routes
        if isinstance(route, HTTPRoute)
        for method, (handler, _) in route.route_handler_map.items()
        for guard in handler.resolve_guards()
        if isinstance(guard, RequiresStaff)
    ]
    return sorted(found, key=lambda row: (row.path, row.method))


def _of_the_operator(routes: Iterable[Any]) -> list[str]:
    names = [STAFF_ROLE_NAMES[role] for role in STAFF_ROLES]
    return [
        "",
        "## Operador",
        "",
        "Rutas del personal de quien opera el servicio. Sus tokens y los de las empresas no sirven los unos por los otros: 401.",
        "El soporte que entra a una empresa lee allí lo que un auditor de ella, salvo los datos completos de una persona;",
        "todo lo que no sea consultar responde 403 `support-read-only`.",
        "",
        _line("Ruta", "Permiso", *names),
        _line(*["---"] * (2 + len(names))),
        *(
            _line(
                f"`{row.method} {row.path}`",
                f"`{row.permission}`" if row.permission else "cualquiera",
                *(YES if row.answers[role] else NO for role in STAFF_ROLES),
            )
            for row in staff_rows_of(routes)
        ),
        "",
        _line("Permiso del operador", "Qué permite"),
        _line("---", "---"),
        *(_line(f"`{name}`", said) for name, said in STAFF_PERMISSIONS.items()),
    ]


def read_staff_markdown(document: str) -> dict[tuple[str, str], dict[str, bool]]:
    """The committed table of the operator's routes back."""
    table: dict[tuple[str, str], dict[str, bool]] = {}
    for line in document.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 2 + len(STAFF_ROLES) and cells[0].startswith("`"):
            method, path = cells[0].strip("`").split(" ")
            table[method, path] = {role: cell == YES for role, cell in zip(STAFF_ROLES, cells[2:], strict=True)}
    return table


def read_markdown(document: str) -> dict[tuple[str, str], dict[str, bool]]:
    """The committed table back: method and path to column and whether it is let in."""
    table: dict[tuple[str, str], dict[str, bool]] = {}
    for line in document.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 2 + len(COLUMNS) and cells[0].startswith("`"):
            method, path = cells[0].strip("`").split(" ")
            table[method, path] = {column: cell == YES for column, cell in zip(COLUMNS, cells[2:], strict=True)}
    return table


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
