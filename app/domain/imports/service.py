"""Rules of an import: check all, then bring all in one transaction; undo while nothing else has happened."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import insert, select, text, update
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.catalog.service.creating import ProductCreation
from app.domain.catalog.service.withdrawing import withdraw_products
from app.domain.imports.amounts import DecimalMark
from app.domain.imports.checking import CategoryTree, check_lines, read_categories, to_create, too_deep
from app.domain.imports.files import read_rows
from app.domain.imports.lines import LineError, ProductLine, ReadFile, read_lines
from app.domain.imports.models import ImportBatch, ImportItem
from app.domain.imports.schemas import ImportOut, ImportPage, ImportSummaryOut, LineErrorOut
from app.domain.inventory.costing import value_of
from app.domain.inventory.rows import lock_moves
from app.domain.inventory.schemas import AdjustLine, PostAdjustment, ReverseAdjustment
from app.domain.inventory.service import AdjustmentService
from app.lib import clock
from app.lib.actor import Actor
from app.lib.errors import Conflict, NotFound, RuleBroken
from app.lib.money import ZERO, Units, ZeroOrMorePrice
from app.lib.pages import after, cut

_KEPT_ERRORS: Final = 1_000
_TOLD_PRODUCTS: Final = 100
_BATCH: Final = 1_000
_FOR_MANY_ROWS: Final = tuple(
    map(text, ("SET LOCAL enable_seqscan = off", "SET LOCAL enable_nestloop = off", "DISCARD PLANS"))
)
"""Nothing analyses what this transaction writes before it ends, so the planner thinks of the tables as they were: foreign
key checks kept from a small table read all of it for each row, joins run row by row, and 20,000 products end in a timeout.
"""


class ImportHasErrors(RuleBroken):
    """Lines are wrong, so nothing was changed; `lines` tells the first thousand."""

    code = "import-has-errors"


class ImportInUse(Conflict):
    """Products of the import were sold or moved since: the books need them."""

    code = "import-in-use"


@dataclass(frozen=True)
class Upload:
    """A file and how to take it."""

    content: bytes
    file_name: str
    mark: DecimalMark | None
    dry_run: bool
    skip_errors: bool


class ImportService:
    """Imports of products within the request's transaction."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def bring_products(self, upload: Upload) -> ImportOut:
        """Check a file and, unless it is a dry run, create its products with their opening stock.

        Raises 422 `import-has-errors` when a line is wrong and errors are not to be skipped, or no line is right.
        """
        read = await asyncio.to_thread(_read, upload)
        tree = await read_categories(self._work)
        good, errors = await self._check(read, tree)
        if not upload.dry_run:
            if errors and not upload.skip_errors:
                raise _has_errors("El archivo tiene errores; no se cambió nada.", read, errors)
            if not good:
                raise _has_errors("Ninguna línea se puede importar.", read, errors)
        batch_id = uuid7()
        product_ids: list[UUID] = []
        adjustment_id = None
        summary = _summary(good, tree, read)
        if not upload.dry_run:
            await self._expect_many_rows()
            await tree.create(self._work)
            items = [to_create(line, tree) for line in good]
            product_ids = await ProductCreation(self._work).create_many(items, subject=batch_id)
            adjustment_id = await self._bring_stock(good, product_ids, upload.file_name)
        batch = {
            "id": batch_id,
            "kind": "products",
            "file_name": upload.file_name,
            "file_hash": sha256(upload.content).digest(),
            "status": "checked" if upload.dry_run else "applied",
            "lines": read.count,
            "accepted": len(good),
            "summary": summary,
            "errors": [msgspec.to_builtins(error) for error in errors[:_KEPT_ERRORS]],
            "adjustment_id": adjustment_id,
            "user_id": self._work.actor.user_id,
            "created_at": clock.now(),
        }
        await self._work.session.execute(insert(ImportBatch).values(tenant_id=self._work.tenant_id, **batch))
        await self._keep_items(batch_id, good, product_ids)
        answer = await self.find(batch_id)
        self._work.record("import.checked" if upload.dry_run else "import.applied", batch_id, after=answer)
        return answer

    async def undo(self, batch_id: UUID) -> ImportOut:
        """Take an import back: its opening stock is reversed, its products retire, their codes are free again.

        Raises 409 `import-in-use` with the products that anything else has happened to, and for an import undone before.
        """
        before = await self._lock(batch_id)
        if before.status != "applied":
            raise Conflict(
                "Fue una revisión: no hay nada que deshacer."
                if before.status == "checked"
                else "La importación ya se deshizo.",
                code="import-not-applied",
            )
        await self._expect_many_rows()
        product_ids = await self._products_of(batch_id)
        await self._refuse_used(product_ids, await self._opened(before.adjustment_id))
        if before.adjustment_id is not None:
            await AdjustmentService(self._work).reverse(
                before.adjustment_id, ReverseAdjustment(note=f"Importación deshecha: {before.file_name}"[:500])
            )
        withdrawn = await withdraw_products(self._work, product_ids, f"~{batch_id.hex[-8:]}")
        await self._work.session.execute(
            update(ImportBatch)
            .where(ImportBatch.tenant_id == self._work.tenant_id, ImportBatch.id == batch_id)
            .values(status="undone", undone_at=clock.now())
            .execution_options(synchronize_session=False)
        )
        answer = await self.find(batch_id)
        self._work.record(
            "import.undone",
            batch_id,
            before=before,
            after={"import": answer, "withdrawnProducts": {str(each): sku for each, sku in withdrawn.items()}},
        )
        return answer

    async def find(self, batch_id: UUID) -> ImportOut:
        """Raises `NotFound`, also for another company's."""
        return _import_out(await self._row(batch_id))

    async def page(self, limit: int, cursor: str | None) -> ImportPage:
        """Imports and dry runs, newest first."""
        statement = select(ImportBatch).where(ImportBatch.tenant_id == self._work.tenant_id).limit(limit + 1)
        statement = after(statement, [ImportBatch.id], cursor, tuple[UUID], descending=True)
        rows = (await self._work.session.scalars(statement)).all()
        page, following = cut(rows, limit, lambda row: (row.id,))
        return ImportPage(items=[ImportSummaryOut(**_fields(row)) for row in page], next_cursor=following)

    async def _expect_many_rows(self) -> None:
        for setting in _FOR_MANY_ROWS:
            await self._work.session.execute(setting)

    async def _check(self, read: ReadFile, tree: CategoryTree) -> tuple[list[ProductLine], list[LineError]]:
        deep = too_deep(read.lines)
        wrong = {error.line for error in deep}
        lines = [line for line in read.lines if line.line not in wrong]
        good, refused = await check_lines(self._work, lines, tree)
        for line in good:
            if line.category is not None:
                tree.want(line.category)
        return good, sorted([*read.errors, *deep, *refused], key=lambda error: error.line)

    async def _bring_stock(
        self, lines: Sequence[ProductLine], product_ids: Sequence[UUID], file_name: str
    ) -> UUID | None:
        opening = [
            AdjustLine(
                product_id=product_id,
                quantity=Units(line.stock),
                unit_cost=None if line.cost is None else ZeroOrMorePrice(line.cost),
            )
            for line, product_id in zip(lines, product_ids, strict=True)
            if line.stock
        ]
        if not opening:
            return None
        data = PostAdjustment(reason="opening", lines=opening, note=f"Importación: {file_name}"[:500])
        adjustment, _ = await AdjustmentService(self._work).adjust(data)
        return adjustment.id

    async def _keep_items(self, batch_id: UUID, lines: Sequence[ProductLine], product_ids: Sequence[UUID]) -> None:
        rows = [
            {"tenant_id": self._work.tenant_id, "batch_id": batch_id, "line": line.line, "product_id": product_id}
            for line, product_id in zip(lines, product_ids, strict=False)
        ]
        for start in range(0, len(rows), _BATCH):
            await self._work.session.execute(insert(ImportItem), rows[start : start + _BATCH])

    async def _row(self, batch_id: UUID, *, lock: bool = False) -> ImportBatch:
        statement = select(ImportBatch).where(ImportBatch.tenant_id == self._work.tenant_id, ImportBatch.id == batch_id)
        statement = statement.execution_options(populate_existing=True)
        row = await self._work.session.scalar(statement.with_for_update() if lock else statement)
        if row is None:
            raise NotFound("No existe esa importación.")
        return row

    async def _lock(self, batch_id: UUID) -> ImportOut:
        return _import_out(await self._row(batch_id, lock=True))

    async def _products_of(self, batch_id: UUID) -> list[UUID]:
        found = await self._work.session.scalars(
            select(ImportItem.product_id)
            .where(ImportItem.tenant_id == self._work.tenant_id, ImportItem.batch_id == batch_id)
            .order_by(ImportItem.line)
        )
        return list(found)

    async def _opened(self, adjustment_id: UUID | None) -> frozenset[UUID]:
        """Products whose one movement is the import's own."""
        if adjustment_id is None:
            return frozenset()
        return frozenset(line.product_id for line in (await AdjustmentService(self._work).find(adjustment_id)).lines)

    async def _refuse_used(self, product_ids: Sequence[UUID], opened: frozenset[UUID]) -> None:
        moves = await lock_moves(self._work, product_ids)
        used = [each for each in product_ids if moves.get(each, 0) > (1 if each in opened else 0)]
        if used:
            raise ImportInUse(
                f"{len(used)} producto(s) de la importación ya tienen ventas u otros movimientos: no se puede deshacer.",
                products=[str(each) for each in used[:_TOLD_PRODUCTS]],
                productCount=len(used),
            )


def hide_costs(answer: Any, actor: Actor) -> Any:
    """The answer as its reader may see it."""
    if actor.may("costs:read"):
        return answer
    if isinstance(answer, ImportPage):
        return msgspec.structs.replace(answer, items=[hide_costs(item, actor) for item in answer.items])
    return msgspec.structs.replace(answer, opening_value=None)


def _read(upload: Upload) -> ReadFile:
    return read_lines(read_rows(upload.content), upload.mark)


def _summary(lines: Sequence[ProductLine], tree: CategoryTree, read: ReadFile) -> dict[str, Any]:
    stocked = [line for line in lines if line.stock]
    value = sum((value_of(line.stock or ZERO, line.cost or ZERO) for line in stocked), start=ZERO)
    return {
        "newCategories": tree.names(),
        "openingLines": len(stocked),
        "openingValue": str(value),
        "ignoredColumns": read.ignored,
    }


def _has_errors(detail: str, read: ReadFile, errors: Sequence[LineError]) -> ImportHasErrors:
    wrong = len({error.line for error in errors})
    return ImportHasErrors(
        detail,
        lines=[LineErrorOut.of(error) for error in errors[:_KEPT_ERRORS]],
        lineCount=read.count,
        wrongLines=wrong,
    )


def _fields(row: ImportBatch) -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": row.kind,
        "status": row.status,
        "file_name": row.file_name,
        "lines": row.lines,
        "accepted": row.accepted,
        "rejected": row.lines - row.accepted,
        "new_categories": row.summary["newCategories"],
        "opening_lines": row.summary["openingLines"],
        "opening_value": Decimal(row.summary["openingValue"]),
        "ignored_columns": row.summary["ignoredColumns"],
        "adjustment_id": row.adjustment_id,
        "user_id": row.user_id,
        "created_at": row.created_at,
        "undone_at": row.undone_at,
    }


def _import_out(row: ImportBatch) -> ImportOut:
    return ImportOut(**_fields(row), errors=[LineErrorOut(**error) for error in row.errors])
