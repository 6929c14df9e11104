"""Proof of the books: figures that are kept against what their rows add up to, one statement a check."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.lib.schemas import Output

MOST: Final = 100
"""Differences listed of one check: a broken book breaks in many places at once."""


class Check(msgspec.Struct, frozen=True):
    """One comparison over a whole company."""

    name: str
    title: str
    """What a shop reads."""
    pairs: str
    """SQL of rows `(subject, field, expected, found)`, every pair that must be equal; binds `:tenant_id`."""


class Difference(Output):
    """Two figures that should be equal and are not."""

    check: str
    subject: str
    """What it is about: ids, in words that a program can search for."""
    field: str
    expected: Decimal | None
    """What the rows add up to."""
    found: Decimal | None
    """What is kept."""


async def compare(
    session: AsyncSession, tenant_id: UUID, checks: Iterable[Check], **values: str | None
) -> list[Difference]:
    """Run checks and list what differs; each sees one instant of the books, since it is one statement.

    `values` are bound besides the company, by checks that ask for them.
    """
    found: list[Difference] = []
    for check in checks:
        rows = await session.execute(
            text(
                "SELECT subject, field, CAST(expected AS numeric), CAST(found AS numeric) "
                f"FROM ({check.pairs}) AS pair WHERE expected IS DISTINCT FROM found LIMIT :most"
            ),
            {"tenant_id": tenant_id, "most": MOST, **values},
        )
        found.extend(
            Difference(check=check.name, subject=subject, field=field, expected=expected, found=kept)
            for subject, field, expected, kept in rows
        )
    return found
