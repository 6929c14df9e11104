"""What these tests need around a drawer: more people, more tills, tickets with figures chosen by the test."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import asyncpg
from litestar import Litestar
from uuid_utils.compat import uuid7

from app.lib.tokens import AccessTokens
from tests.shop import Shop

Admin: TypeAlias = asyncpg.Connection  # pyright: ignore[reportInvalidTypeArguments]


async def cashier_of(shop: Shop, admin: Admin, app: Litestar, name: str = "Cajera de Prueba") -> Shop:
    """The same shop, seen by a cashier."""
    user_id, session_id, email = uuid7(), uuid7(), f"{uuid4().hex}@tienda.test"
    await admin.execute(
        "INSERT INTO app_user (id, email, email_norm, name, password_hash) VALUES ($1, $2, $2, $3, '')",
        user_id,
        email,
        name,
    )
    await admin.execute(
        "INSERT INTO membership (tenant_id, id, user_id, role, display_name) VALUES ($1, $2, $3, 'cashier', $4)",
        UUID(shop.tenant_id),
        uuid7(),
        user_id,
        name,
    )
    await take_room(shop, admin, "users")
    await admin.execute(
        "INSERT INTO auth_session (id, user_id, tenant_id, address, agent) VALUES ($1, $2, $3, '', '')",
        session_id,
        user_id,
        UUID(shop.tenant_id),
    )
    tokens: AccessTokens = app.state.tokens
    token = tokens.issue(user_id=user_id, tenant_id=UUID(shop.tenant_id), session_id=session_id)
    return replace(shop, token=token, user={"id": str(user_id)}, email=email)


async def take_room(shop: Shop, admin: Admin, resource: str) -> None:
    """What a row written past the API takes of the plan."""
    await admin.execute(
        "UPDATE tenant_usage SET used = used + 1 WHERE tenant_id = $1 AND resource = $2", UUID(shop.tenant_id), resource
    )


async def add_register(shop: Shop, admin: Admin, name: str = "Caja 2") -> str:
    """A second till in the same branch."""
    register_id = uuid7()
    await take_room(shop, admin, "registers")
    first = await admin.fetchrow("SELECT * FROM cash_register WHERE tenant_id = $1", UUID(shop.tenant_id))
    assert first is not None
    await admin.execute(
        "INSERT INTO cash_register (tenant_id, id, branch_id, warehouse_id, name) VALUES ($1, $2, $3, $4, $5)",
        UUID(shop.tenant_id),
        register_id,
        first["branch_id"],
        first["warehouse_id"],
        name,
    )
    await admin.execute(
        "INSERT INTO numbering (tenant_id, place_id, kind, prefix) VALUES ($1, $2, 'z', 'Z-')",
        UUID(shop.tenant_id),
        register_id,
    )
    return str(register_id)


async def open_at(shop: Shop, register_id: str, amount: str = "50000") -> str:
    answer = await shop.post("/v1/cash/sessions", {"registerId": register_id, "openingAmount": amount})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def write_sale(
    admin: Admin,
    session_id: str,
    *,
    sequence: int,
    lines: list[dict[str, Any]],
    payments: dict[str, str],
    rounding: str = "0",
    posted_at: datetime | None = None,
) -> UUID:
    """Rows of a posted ticket as the counter writes them, with figures of the test's own."""
    session = await admin.fetchrow("SELECT * FROM cash_session WHERE id = $1", UUID(session_id))
    customer = await admin.fetchrow(
        "SELECT * FROM customer WHERE tenant_id = $1 AND is_final_consumer", session["tenant_id"] if session else None
    )
    assert session is not None
    assert customer is not None
    tenant_id, sale_id, at = session["tenant_id"], uuid7(), posted_at or datetime.now(UTC)
    money = [{name: Decimal(line.get(name, "0")) for name in LINE_MONEY} for line in lines]
    total = {name: sum((line[name] for line in money), start=Decimal("0.00")) for name in LINE_MONEY}
    async with admin.transaction():
        await admin.execute("SET LOCAL session_replication_role = replica")
        await admin.execute(
            "INSERT INTO sale (tenant_id, id, session_id, branch_id, register_id, warehouse_id, sequence, number, "
            "customer_id, customer_name, customer_identification, seller_id, user_id, sold_at, posted_at, business_day, "
            "document_wanted, line_count, subtotal, tax_total, discount_total, total, cost_total, rounding, change) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, $13, $13, $14, 'none', $15, $16, $17, $18, "
            "$19, 0, $20, 0)",
            tenant_id,
            sale_id,
            session["id"],
            session["branch_id"],
            session["register_id"],
            session["warehouse_id"],
            sequence,
            f"V-{sequence}",
            customer["id"],
            customer["name"],
            customer["identification"],
            session["opened_by"],
            at,
            at.date(),
            len(lines),
            total["base"],
            total["tax"],
            total["discount"],
            total["total"],
            Decimal(rounding),
        )
        for position, (line, figures) in enumerate(zip(lines, money, strict=True), start=1):
            await admin.execute(
                "INSERT INTO sale_line (tenant_id, id, sale_id, position, product_id, sku, name, unit_code, factor, "
                "quantity, unit_price, discount, tax_class, tax_rate, base, tax, nominal_tax, total, cost, tracks_stock) "
                "VALUES ($1, $2, $3, $4, $2, 'sku', $5, $6, 1, $7, $8, $9, $10, $11, $12, $13, $14, $15, 0, true)",
                tenant_id,
                uuid7(),
                sale_id,
                position,
                line.get("name", "Producto"),
                line.get("unit", "94"),
                Decimal(line.get("quantity", "1")),
                Decimal(line.get("price", line["total"])),
                figures["discount"],
                line["tax_class"],
                Decimal(line.get("rate", "0")),
                figures["base"],
                figures["tax"],
                figures["nominal_tax"],
                figures["total"],
            )
        for position, (method, amount) in enumerate(payments.items(), start=1):
            if method != "rounding":
                await admin.execute(
                    "INSERT INTO sale_payment (tenant_id, id, sale_id, position, method, amount, change) "
                    "VALUES ($1, $2, $3, $4, $5, $6, 0)",
                    tenant_id,
                    uuid7(),
                    sale_id,
                    position,
                    method,
                    Decimal(amount),
                )
            await move(admin, session_id, "sale", method, amount, sale_id)
    return sale_id


LINE_MONEY = ("base", "tax", "nominal_tax", "total", "discount")


async def write_return(
    admin: Admin, session_id: str, sale_id: UUID, *, kind: str, sequence: int, refunds: dict[str, str]
) -> UUID:
    """Rows of a whole ticket taken back, paid out of a session."""
    sale = await admin.fetchrow("SELECT * FROM sale WHERE id = $1", sale_id)
    assert sale is not None
    return_id, at = uuid7(), datetime.now(UTC)
    async with admin.transaction():
        await admin.execute("SET LOCAL session_replication_role = replica")
        await admin.execute(
            "INSERT INTO sale_return (tenant_id, id, sale_id, session_id, branch_id, kind, sequence, number, reason, "
            "user_id, posted_at, business_day, subtotal, tax_total, total, cost_total) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'prueba', $9, $10, $11, $12, $13, $14, 0)",
            sale["tenant_id"],
            return_id,
            sale_id,
            UUID(session_id),
            sale["branch_id"],
            kind,
            sequence,
            f"D-{sequence}",
            sale["user_id"],
            at,
            at.date(),
            sale["subtotal"],
            sale["tax_total"],
            sale["total"],
        )
        await admin.execute(
            "INSERT INTO sale_return_line (tenant_id, id, return_id, sale_line_id, position, quantity, base, tax, "
            "nominal_tax, total, cost) SELECT tenant_id, gen_random_uuid(), $2, id, position, quantity, base, tax, "
            "nominal_tax, total, 0 FROM sale_line WHERE sale_id = $1",
            sale_id,
            return_id,
        )
        for method, amount in refunds.items():
            await move(admin, session_id, "refund", method, f"-{amount}", return_id)
    return return_id


async def move(admin: Admin, session_id: str, kind: str, method: str, amount: str, document_id: UUID) -> None:
    """Money of a document into a drawer, or out of it."""
    column = {"check": "cheque"}.get(method, method.replace("-", "_"))
    await admin.execute(
        f"UPDATE cash_drawer SET {column} = {column} + $2 WHERE session_id = $1", UUID(session_id), Decimal(amount)
    )
    await admin.execute(
        "INSERT INTO cash_movement (tenant_id, id, session_id, kind, method, amount, document_id, user_id) "
        "SELECT tenant_id, $2, id, $3, $4, $5, $6, opened_by FROM cash_session WHERE id = $1",
        UUID(session_id),
        uuid7(),
        kind,
        method,
        Decimal(amount),
        document_id,
    )
