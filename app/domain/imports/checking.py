"""What the catalogue says about a file's lines: categories, codes that others have."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from app.db.session import Work
from app.domain.catalog.schemas import CreateProduct
from app.domain.catalog.service.categories import MAX_DEPTH, CategoryService
from app.domain.catalog.service.checking import refusals
from app.domain.catalog.tree_schemas import CreateCategory
from app.domain.imports.columns import TITLES, Field
from app.domain.imports.lines import LineError, ProductLine
from app.lib.errors import DomainError
from app.lib.money import ZeroOrMorePrice, ZeroOrMoreUnits
from app.lib.text import normalise

_EVERY: Final = 1_000_000
_STEP: Final = ">"
_COLUMNS: Final[dict[str, Field]] = {
    "sku-taken": "sku",
    "barcode-taken": "barcodes",
    "duplicate-sku": "sku",
    "duplicate-barcode": "barcodes",
}
"""Refusals that point at no field."""

Path = tuple[str, ...]
"""A category by its names from the root, as search compares them."""


@dataclass
class CategoryTree:
    """The company's categories by path, and those that a file adds."""

    known: dict[Path, UUID]
    wanted: dict[Path, list[str]] = field(default_factory=dict)
    """New ones with their names as the file writes them, parents first."""

    def want(self, text: str) -> None:
        """Note what is missing of a category such as `Ferretería > Tornillos`."""
        names = _names(text)
        for depth in range(1, len(names) + 1):
            path = _path(names[:depth])
            if path not in self.known:
                self.wanted.setdefault(path, names[:depth])

    def find(self, text: str) -> UUID | None:
        return self.known.get(_path(_names(text)))

    async def create(self, work: Work) -> None:
        """Make the missing ones."""
        service = CategoryService(work)
        for path, names in self.wanted.items():
            parent = self.known.get(path[:-1]) if path[:-1] else None
            made, _ = await service.create(CreateCategory(name=names[-1], parent_id=parent))
            self.known[path] = made.id

    def names(self) -> list[str]:
        """The new ones as people read them."""
        return [f" {_STEP} ".join(names) for names in self.wanted.values()]


async def read_categories(work: Work) -> CategoryTree:
    page = await CategoryService(work).page(_EVERY, None)
    return CategoryTree({_path(category.path): category.id for category in page.items})


def too_deep(lines: Iterable[ProductLine]) -> list[LineError]:
    """Categories with more levels than the tree may have, or with a level that has no name."""
    return [
        LineError(line.line, TITLES["category"], "invalid", f"Escriba la categoría con 1 a {MAX_DEPTH} niveles.")
        for line in lines
        if line.category is not None and not (0 < len(names := _names(line.category)) <= MAX_DEPTH and all(names))
    ]


async def check_lines(
    work: Work, lines: Sequence[ProductLine], tree: CategoryTree
) -> tuple[list[ProductLine], list[LineError]]:
    """Split the lines into those that can become products now, and the reasons of the others."""
    refused = await refusals(work, [to_create(line, tree) for line in lines])
    errors = [
        LineError(lines[place].line, TITLES[_field_of(reason)], reason.code, reason.detail)
        for place, reasons in sorted(refused.items())
        for reason in reasons
    ]
    return [line for place, line in enumerate(lines) if place not in refused], errors


def to_create(line: ProductLine, tree: CategoryTree) -> CreateProduct:
    """The product that a line asks for."""
    return CreateProduct(
        sku=line.sku,
        name=line.name,
        price=ZeroOrMorePrice(line.price),
        tax_class=line.tax_class,
        barcodes=line.barcodes,
        unit_code=line.unit_code,
        cost=None if line.cost is None else ZeroOrMorePrice(line.cost),
        min_stock=None if line.min_stock is None else ZeroOrMoreUnits(line.min_stock),
        category_id=tree.find(line.category) if line.category else None,
        brand=line.brand,
    )


def _field_of(reason: DomainError) -> Field:
    pointed: Mapping[str, Field] = {name: name for name in TITLES}
    name = reason.errors[0].pointer.split("/")[1] if reason.errors else ""
    return pointed.get(name) or _COLUMNS.get(reason.code, "sku")


def _names(text: str) -> list[str]:
    return [" ".join(name.split()) for name in text.split(_STEP)]


def _path(names: Sequence[str]) -> Path:
    return tuple(normalise(name) for name in names)
