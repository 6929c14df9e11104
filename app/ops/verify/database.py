"""PostgreSQL: reachable by every role, each with its own rights and no more, durable, fenced, at this code's revision."""

from collections.abc import Sequence
from typing import Final

import asyncpg

from app.db.migrate import drift, head_revision
from app.db.tenancy import APP_ROLE, BACKUP_ROLE, PLATFORM_ROLE
from app.lib.driver import POSTGRES_AWAY
from app.ops.verify.check import Check, Context, Fault, NotAsked, connected

_OLDEST: Final = 150_000
"""`server_version_num` of the oldest PostgreSQL the tests run against."""
_SPARE: Final = 10
"""Connections kept for people and for backups."""
_ROLE_FAULTS: Final = (
    "SELECT array_remove(ARRAY["
    "CASE WHEN rolsuper THEN 'es superusuario' END, "
    "CASE WHEN rolbypassrls <> $2 THEN CASE WHEN $2 THEN 'no tiene BYPASSRLS: sus copias saldrían vacías' "
    "ELSE 'se salta la separación entre empresas (BYPASSRLS)' END END, "
    "CASE WHEN rolcreaterole OR rolcreatedb OR rolreplication THEN 'crea roles o bases, o replica' END, "
    "CASE WHEN EXISTS (SELECT FROM pg_class WHERE relowner = r.oid) THEN 'es dueño de tablas' END, "
    "CASE WHEN EXISTS (SELECT FROM pg_auth_members WHERE member = r.oid) THEN 'es miembro de otro rol' END, "
    "CASE WHEN has_schema_privilege(r.rolname, 'public', 'CREATE') THEN 'puede crear tablas' END, "
    "CASE WHEN EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r','p') "
    "AND has_table_privilege(r.oid, c.oid, 'TRUNCATE')) THEN 'puede vaciar tablas (TRUNCATE)' END, "
    "CASE WHEN $2 AND EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r','p') "
    "AND has_table_privilege(r.oid, c.oid, 'INSERT, UPDATE, DELETE')) THEN 'puede escribir' END"
    "], NULL) FROM pg_roles r WHERE rolname = $1"
)
_DURABLE: Final = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
_TENANT_TABLES: Final = (
    "SELECT c.oid, c.relname, c.relrowsecurity, c.relforcerowsecurity FROM pg_class c "
    "WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r','p') AND EXISTS (SELECT FROM pg_attribute a "
    "WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)"
)
_UNFENCED: Final = (
    f"WITH tenants AS ({_TENANT_TABLES}), app AS (SELECT oid FROM pg_roles WHERE rolname = '{APP_ROLE}') "
    "SELECT relname, CASE WHEN NOT relrowsecurity THEN 'sin row level security' "
    "WHEN NOT relforcerowsecurity AND $1 THEN 'sin FORCE ROW LEVEL SECURITY' "
    "ELSE 'su cerca no compara la empresa al leer y al escribir' END AS reason "
    "FROM tenants t WHERE has_any_column_privilege((SELECT oid FROM app), t.oid, 'SELECT, INSERT, UPDATE') AND "
    "(NOT relrowsecurity OR NOT relforcerowsecurity AND $1 OR NOT EXISTS (SELECT FROM pg_policy p "
    "WHERE p.polrelid = t.oid AND p.polname IN ('tenant_fence', 'person_fence') "
    "AND pg_get_expr(p.polqual, p.polrelid) LIKE '%current_setting(''app.%' "
    "AND pg_get_expr(p.polwithcheck, p.polrelid) LIKE '%current_setting(''app.%')) ORDER BY relname"
)
_OPENED: Final = (
    f"SELECT c.relname || '.' || p.polname FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid "
    f"WHERE (p.polroles = '{{0}}' OR p.polroles && ARRAY(SELECT oid FROM pg_roles WHERE rolname = '{APP_ROLE}')) "
    "AND coalesce(pg_get_expr(p.polqual, p.polrelid), '') NOT LIKE '%current_setting(''app.%' "
    "AND p.polcmd <> 'a' AND p.polpermissive ORDER BY 1"
)
_INVALID: Final = (
    "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid OR NOT indisready "
    "UNION ALL SELECT conrelid::regclass || ' ' || conname FROM pg_constraint WHERE NOT convalidated ORDER BY 1"
)
_MIGRATE: Final = "mostrador migrate"


async def reachable(context: Context) -> Sequence[Fault]:
    """Every role logs in with its own address."""
    settings = context.whole
    named = {
        "DATABASE_URL": settings.database_url,
        "DATABASE_PLATFORM_URL": settings.database_platform_url,
        "DATABASE_BACKUP_URL": settings.database_backup_url,
        "DATABASE_ADMIN_URL": settings.database_admin_url,
        "DATABASE_DIRECT_URL": settings.database_direct_url,
    }
    faults = []
    for name, url in named.items():
        if url is None:
            continue
        try:
            async with connected(url) as connection:
                await connection.fetchval("SELECT 1")
        except asyncpg.InvalidAuthorizationSpecificationError as error:
            cure = "Corrija la contraseña; `mostrador migrate` pone en los roles las de estas variables."
            faults.append(Fault(f"PostgreSQL no la acepta: {error}", cure, name))
        except POSTGRES_AWAY as error:
            cure = "¿Corre el servidor, existe la base de datos, llega la red, acepta pg_hba.conf?"
            faults.append(Fault(f"no conecta: {type(error).__name__} {error}".strip(), cure, name))
    if faults and {fault.name for fault in faults} >= {"DATABASE_URL", "DATABASE_PLATFORM_URL"}:
        faults.insert(0, Fault("PostgreSQL no responde a nadie", "Arránquelo, o corrija sus direcciones."))
    return faults


async def version(context: Context) -> Sequence[Fault]:
    async with connected(context.whole.database_platform_url) as connection:
        number: int = await connection.fetchval("SELECT current_setting('server_version_num')::int") or 0
    if number >= _OLDEST:
        return []
    return [Fault(f"es la {number // 10_000}", f"PostgreSQL {_OLDEST // 10_000} o más nuevo.")]


async def roles(context: Context) -> Sequence[Fault]:
    """Of each role: plain, or for backups reading everything and writing nothing."""
    faults = []
    async with connected(context.whole.database_platform_url) as connection:
        for role, reads_all in ((APP_ROLE, False), (PLATFORM_ROLE, False), (BACKUP_ROLE, True)):
            found = await connection.fetchval(_ROLE_FAULTS, role, reads_all)
            if found is None:
                faults.append(Fault("no existe", _MIGRATE, f"role:{role}"))
            elif found:
                cure = f"ALTER ROLE {role} NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION "
                cure += f"{'BYPASSRLS' if reads_all else 'NOBYPASSRLS'}; y devuelva lo que se le dio o traspase lo que tiene."
                faults.append(Fault(", ".join(found), cure, f"role:{role}"))
        user = (await _user(context.whole.database_url)) or APP_ROLE
        if user != APP_ROLE:
            faults.append(Fault(f"entra como {user}", f"El rol de la aplicación es {APP_ROLE}.", "DATABASE_URL"))
    return faults


async def _user(url: str) -> str | None:
    async with connected(url) as connection:
        name: str | None = await connection.fetchval("SELECT session_user")
    return name


async def durable(context: Context) -> Sequence[Fault]:
    """What was answered 2xx survives a power cut."""
    async with connected(context.whole.database_url) as connection:
        found = {name: await connection.fetchval("SELECT current_setting($1)", name) for name in _DURABLE}
        checksums = await connection.fetchval("SELECT current_setting('data_checksums')")
    faults = [
        Fault(f"{name} = {found[name]}", f"ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf();", name)
        for name, want in _DURABLE.items()
        if found[name] not in {want, "remote_apply", "remote_write"}
    ]
    if checksums != "on":
        faults.append(
            Fault(
                "sin sumas de comprobación de páginas",
                "pg_checksums --enable con el servidor detenido.",
                "data_checksums",
                is_warning=True,
            )
        )
    return faults


async def room(context: Context) -> Sequence[Fault]:
    """Enough connections for every process at once."""
    settings = context.whole
    if settings.behind_pooler:
        raise NotAsked("las reparte PgBouncer")
    async with connected(settings.database_platform_url) as connection:
        most: int = await connection.fetchval("SELECT current_setting('max_connections')::int") or 0
    api = settings.api_workers * (settings.pool_size + 2 * settings.lane_size + 3)
    background = settings.pool_size + 2 + 3
    needed = api + background + _SPARE
    if needed <= most:
        return []
    return [
        Fault(
            f"max_connections = {most}, y los procesos pueden pedir {needed}",
            "Suba max_connections, baje DATABASE_POOL_SIZE o ponga PgBouncer.",
        )
    ]


async def fences(context: Context) -> Sequence[Fault]:
    """Row level security on every table with a company in it that the application reads or writes."""
    forced = context.whole.pin == "set_config"
    async with connected(context.whole.database_platform_url) as connection:
        rows = await connection.fetch(_UNFENCED, forced)
        opened = [row[0] for row in await connection.fetch(_OPENED)]
        tables = await connection.fetchval(f"SELECT count(*) FROM ({_TENANT_TABLES}) t")
    cure = "Detenga el servicio: una empresa podría ver a otra. Restaure la cerca con la migración de esa tabla."
    faults = [Fault(f"{row['relname']}: {row['reason']}", cure) for row in rows]
    faults += [Fault(f"{name} abre la tabla a la aplicación", f"{cure} DROP POLICY.", "policies") for name in opened]
    if not tables:
        faults.append(Fault("no hay ninguna tabla de empresas", _MIGRATE))
    return faults


async def revision(context: Context) -> Sequence[Fault]:
    async with connected(context.whole.database_platform_url) as connection:
        if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
            return [Fault("la base de datos está vacía", _MIGRATE)]
        found = await connection.fetchval("SELECT version_num FROM alembic_version")
    if found == head_revision():
        return []
    return [Fault(f"está en {found}, este código pide {head_revision()}", _MIGRATE)]


async def drifted(context: Context) -> Sequence[Fault]:
    if context.whole.database_admin_url is None:
        raise NotAsked("sin DATABASE_ADMIN_URL")
    found = await drift(context.whole)
    if not found:
        return []
    cure = "Alguien cambió las tablas a mano; `mostrador migrate --check` lo dice todo. Deshágalo."
    return [Fault(f"{len(found)} diferencias; la primera: {found[0][:200]}", cure)]


async def indexes(context: Context) -> Sequence[Fault]:
    async with connected(context.whole.database_platform_url) as connection:
        found = [row[0] for row in await connection.fetch(_INVALID)]
    return [
        Fault(
            f"{name} quedó a medias",
            "REINDEX INDEX CONCURRENTLY, o ALTER TABLE … VALIDATE CONSTRAINT.",
        )
        for name in found
    ]


_AREA: Final = "PostgreSQL"
_BASE: Final = ("settings", "postgresql")
CHECKS: Final = (
    Check(name="postgresql", area=_AREA, title="Responde a cada rol", ask=reachable, needs=("settings",)),
    Check(name="postgresql-version", area=_AREA, title="Versión", ask=version, needs=_BASE),
    Check(name="roles", area=_AREA, title="Cada rol con sus derechos y no más", ask=roles, needs=_BASE),
    Check(name="durability", area=_AREA, title="Lo respondido sobrevive a un corte", ask=durable, needs=_BASE),
    Check(name="connections", area=_AREA, title="Conexiones para todos los procesos", ask=room, needs=_BASE),
    Check(name="migrations", area=_AREA, title="Tablas en la revisión de este código", ask=revision, needs=_BASE),
    Check(name="drift", area=_AREA, title="Tablas como los modelos", ask=drifted, needs=(*_BASE, "migrations")),
    Check(name="row-security", area=_AREA, title="Cada empresa detrás de su cerca", ask=fences, needs=_BASE),
    Check(name="indexes", area=_AREA, title="Índices y restricciones enteros", ask=indexes, needs=_BASE),
)
