"""The goods of a documented sale or return as they are called today: what a rejection about lines is mended with."""

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import text

from app.db.session import Work
from app.domain.invoicing.model import Line
from app.domain.invoicing.models import Document

_CALLED: Final = (
    "SELECT p.sku, p.name, CASE WHEN l.factor = 1 THEN p.unit_code ELSE coalesce("
    "(SELECT k.unit_code FROM product_pack k WHERE k.tenant_id = :t AND k.product_id = l.product_id "
    "AND k.factor = l.factor ORDER BY k.unit_code = l.unit_code DESC, k.unit_code LIMIT 1), l.unit_code) END "
)
_SOLD: Final = text(
    f"{_CALLED} FROM sale_line l JOIN product p ON p.tenant_id = l.tenant_id AND p.id = l.product_id "
    "WHERE l.tenant_id = :t AND p.tenant_id = :t AND l.sale_id = :source ORDER BY l.position"
)
_GIVEN_BACK: Final = text(
    f"{_CALLED} FROM sale_return_line r JOIN sale_line l ON l.tenant_id = r.tenant_id AND l.id = r.sale_line_id "
    "JOIN product p ON p.tenant_id = l.tenant_id AND p.id = l.product_id "
    "WHERE r.tenant_id = :t AND l.tenant_id = :t AND p.tenant_id = :t AND r.return_id = :source ORDER BY r.position"
)


async def called_today(work: Work, row: Document, lines: Sequence[Line]) -> tuple[Line, ...]:
    """The lines with today's code, name and unit of their products; amounts stay. Written by hand, they stay as they are."""
    source = row.sale_id or row.return_id
    if source is None:
        return tuple(lines)
    statement = _SOLD if row.sale_id is not None else _GIVEN_BACK
    found = (await work.session.execute(statement, {"t": work.tenant_id, "source": source})).all()
    if len(found) != len(lines):
        raise LookupError(f"document {row.number} has {len(lines)} lines, its source {len(found)}")
    return tuple(
        msgspec.structs.replace(line, code=sku, description=name, unit_code=unit_code)
        for line, (sku, name, unit_code) in zip(lines, found, strict=True)
    )
