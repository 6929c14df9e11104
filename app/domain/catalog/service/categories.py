"""The tree of categories: create, rename, move, remove."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from msgspec import UNSET
from sqlalchemy import insert, select, text, update
from uuid_utils.compat import uuid7

from app.db.base import CURRENT_XID
from app.db.session import Work
from app.domain.catalog.models import Category, Product
from app.domain.catalog.tree_schemas import (
    CategoryOut,
    CategoryPage,
    ChangeCategory,
    CreateCategory,
    MovedOut,
    MoveToCategory,
)
from app.lib import clock
from app.lib.errors import BROKEN_CONSTRAINTS, Conflict, FieldError, NotFound, RuleBroken, unknown_reference
from app.lib.pages import after, cut
from app.lib.schemas import fingerprint

MAX_DEPTH: Final = 8

BROKEN_CONSTRAINTS["uq_category_name"] = Conflict("Ya hay una categoría con ese nombre ahí.", code="category-exists")

_LOCK_TREE: Final = text("SELECT id FROM category WHERE tenant_id = :tenant_id ORDER BY id FOR UPDATE")
_IN_USE: Final = text(
    "SELECT EXISTS (SELECT FROM category WHERE tenant_id = :tenant_id AND parent_id = :id AND retired_at IS NULL) "
    "OR EXISTS (SELECT FROM product WHERE tenant_id = :tenant_id AND category_id = :id AND retired_at IS NULL)"
)


class CategoryService:
    """The tree within the request's transaction."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def page(self, limit: int, cursor: str | None) -> CategoryPage:
        """All categories, oldest first: a client builds the tree by `parentId`."""
        tree = await self._tree()
        statement = after(self._alive(), [Category.id], cursor, tuple[UUID], descending=False).limit(limit + 1)
        rows = (await self._work.session.scalars(statement)).all()
        page, following = cut(rows, limit, lambda row: (row.id,))
        return CategoryPage(items=[_shown(row, tree) for row in page], next_cursor=following)

    async def find(self, category_id: UUID) -> CategoryOut:
        """Raises `NotFound`, also for another company's."""
        tree = await self._tree()
        return _shown(self._one(tree, category_id), tree)

    async def create(self, data: CreateCategory) -> tuple[CategoryOut, bool]:
        """Create a category; answers it and whether it is new: the same id with the same body gives the stored one."""
        if data.id is not None and (stored := await self._stored(data.id)):
            if stored.body_hash != fingerprint(data) or stored.retired_at is not None:
                raise Conflict("Ya existe una categoría con ese id y otros datos.", code="id-taken")
            return await self.find(data.id), False
        tree = await self._lock_tree()
        if data.parent_id is not None and data.parent_id not in tree:
            raise unknown_reference("/parentId")
        name = data.name.strip()
        self._refuse_namesake(tree, None, data.parent_id, name)
        _refuse_depth(len(_path(tree, data.parent_id)) + 1, "/parentId")
        category_id = data.id or uuid7()
        await self._work.session.execute(
            insert(Category).values(
                tenant_id=self._work.tenant_id,
                id=category_id,
                parent_id=data.parent_id,
                name=name,
                body_hash=fingerprint(data) if data.id else None,
            )
        )
        made = await self.find(category_id)
        self._work.record("category.created", category_id, after=made)
        return made, True

    async def change(
        self, category_id: UUID, data: ChangeCategory, check: Callable[[CategoryOut], None] = lambda _: None
    ) -> CategoryOut:
        """Rename a category or hang it elsewhere. Raises 404, 409 for a namesake, 422 for a circle."""
        tree = await self._lock_tree()
        row = self._one(tree, category_id)
        before = _shown(row, tree)
        check(before)
        name = row.name if data.name is UNSET else data.name.strip()
        parent_id = row.parent_id if data.parent_id is UNSET else data.parent_id
        if (name, parent_id) == (row.name, row.parent_id):
            return before
        self._refuse_place(tree, category_id, parent_id, "/parentId")
        self._refuse_namesake(tree, category_id, parent_id, name)
        await self._update([category_id], name=name, parent_id=parent_id)
        changed = await self.find(category_id)
        self._work.record("category.changed", category_id, before=before, after=changed)
        return changed

    async def move(self, data: MoveToCategory) -> MovedOut:
        """Hang categories and products under another category, all or nothing."""
        tree = await self._lock_tree()
        target = data.to_category_id
        if target is not None and target not in tree:
            raise unknown_reference("/toCategoryId")
        category_ids = list(dict.fromkeys(data.category_ids))
        for place, category_id in enumerate(category_ids):
            if category_id not in tree:
                raise unknown_reference(f"/categoryIds/{place}")
            self._refuse_place(tree, category_id, target, f"/categoryIds/{place}")
        moving = [each for each in category_ids if tree[each].parent_id != target]
        _refuse_namesakes(tree, moving, target)
        before_products = await self._places(sorted(set(data.product_ids)), data.product_ids)
        moving_products = [each for each, place in before_products.items() if place != target]
        if not moving and not moving_products:
            return MovedOut(categories=0, products=0)
        before = {
            "categories": {str(each): tree[each].parent_id for each in moving},
            "products": {str(each): before_products[each] for each in moving_products},
        }
        await self._update(moving, parent_id=target)
        await self._work.session.execute(
            update(Product)
            .where(Product.tenant_id == self._work.tenant_id, Product.id.in_(moving_products))
            .values(category_id=target, changed_xid=CURRENT_XID, updated_at=clock.now())
            .execution_options(synchronize_session=False)
        )
        after_move = {"toCategoryId": target, "categories": moving, "products": moving_products}
        self._work.record("category.moved", target or self._work.tenant_id, before=before, after=after_move)
        return MovedOut(categories=len(moving), products=len(moving_products))

    async def remove(self, category_id: UUID) -> None:
        """Remove a category; retired products leave it. Raises 409 while products or other categories hang on it."""
        tree = await self._lock_tree()
        before = _shown(self._one(tree, category_id), tree)
        in_use = await self._work.session.scalar(_IN_USE, {"tenant_id": self._work.tenant_id, "id": category_id})
        if in_use:
            raise Conflict("La categoría tiene productos o subcategorías: muévalos primero.", code="category-not-empty")
        await self._work.session.execute(
            update(Product)
            .where(Product.tenant_id == self._work.tenant_id, Product.category_id == category_id)
            .values(category_id=None, changed_xid=CURRENT_XID, updated_at=clock.now())
            .execution_options(synchronize_session=False)
        )
        await self._update([category_id], retired_at=clock.now())
        self._work.record("category.removed", category_id, before=before)

    def _alive(self) -> Any:
        return select(Category).where(Category.tenant_id == self._work.tenant_id, Category.retired_at.is_(None))

    async def _tree(self) -> dict[UUID, Category]:
        rows = await self._work.session.scalars(self._alive().execution_options(populate_existing=True))
        return {row.id: row for row in rows}

    async def _lock_tree(self) -> dict[UUID, Category]:
        """The tree as it is once every other change of it has ended: two moves could close a circle between them.

        Locked first and read by a second statement, whose snapshot sees what the lock waited for.
        """
        await self._work.session.execute(_LOCK_TREE, {"tenant_id": self._work.tenant_id})
        return await self._tree()

    async def _stored(self, category_id: UUID) -> Category | None:
        found: Category | None = await self._work.session.scalar(
            select(Category).where(Category.tenant_id == self._work.tenant_id, Category.id == category_id)
        )
        return found

    async def _update(self, ids: Sequence[UUID], **values: Any) -> None:
        await self._work.session.execute(
            update(Category)
            .where(Category.tenant_id == self._work.tenant_id, Category.id.in_(ids))
            .values(**values, updated_at=clock.now())
            .execution_options(synchronize_session=False)
        )

    async def _places(self, product_ids: Sequence[UUID], asked: Sequence[UUID]) -> dict[UUID, UUID | None]:
        """Where products hang now, locked. Raises 422 for an unknown one."""
        rows = await self._work.session.execute(
            select(Product.id, Product.category_id)
            .where(Product.tenant_id == self._work.tenant_id, Product.id.in_(product_ids))
            .order_by(Product.id)
            .with_for_update(key_share=True)
        )
        found: dict[UUID, UUID | None] = {row.id: row.category_id for row in rows}
        for place, product_id in enumerate(asked):
            if product_id not in found:
                raise unknown_reference(f"/productIds/{place}")
        return found

    @staticmethod
    def _one(tree: Mapping[UUID, Category], category_id: UUID) -> Category:
        if row := tree.get(category_id):
            return row
        raise NotFound("No existe esa categoría.", categoryId=str(category_id))

    @staticmethod
    def _refuse_place(tree: Mapping[UUID, Category], category_id: UUID, parent_id: UUID | None, pointer: str) -> None:
        """Raise 422 when a category would hang below itself, or too deep."""
        if parent_id is not None and parent_id not in tree:
            raise unknown_reference(pointer)
        above = _path(tree, parent_id)
        if category_id in above:
            detail = "Una categoría no puede quedar dentro de sí misma."
            raise RuleBroken(detail, code="category-circle", errors=(FieldError(pointer, "category-circle", detail),))
        _refuse_depth(len(above) + _height(tree, category_id), pointer)

    @staticmethod
    def _refuse_namesake(
        tree: Mapping[UUID, Category], category_id: UUID | None, parent_id: UUID | None, name: str
    ) -> None:
        for row in tree.values():
            if row.id != category_id and (row.parent_id, row.name) == (parent_id, name):
                raise BROKEN_CONSTRAINTS["uq_category_name"]


def _refuse_namesakes(tree: Mapping[UUID, Category], moving: Iterable[UUID], target: UUID | None) -> None:
    taken = {row.name for row in tree.values() if row.parent_id == target}
    for category_id in moving:
        name = tree[category_id].name
        if name in taken:
            raise Conflict(f"Ya hay una categoría «{name}» ahí.", code="category-exists", categoryId=str(category_id))
        taken.add(name)


def _refuse_depth(depth: int, pointer: str) -> None:
    if depth > MAX_DEPTH:
        detail = f"El árbol puede tener hasta {MAX_DEPTH} niveles."
        raise RuleBroken(detail, code="category-too-deep", errors=(FieldError(pointer, "category-too-deep", detail),))


def _path(tree: Mapping[UUID, Category], category_id: UUID | None) -> list[UUID]:
    """From a category up to its root."""
    path: list[UUID] = []
    while category_id is not None and category_id in tree and len(path) <= len(tree):
        path.append(category_id)
        category_id = tree[category_id].parent_id
    return path


def _height(tree: Mapping[UUID, Category], category_id: UUID) -> int:
    """Levels of the branch that begins with a category."""
    children: dict[UUID | None, list[UUID]] = {}
    for row in tree.values():
        children.setdefault(row.parent_id, []).append(row.id)
    level, height = [category_id], 0
    while level:
        height += 1
        level = [child for each in level for child in children.get(each, ())]
    return height


def _shown(row: Category, tree: Mapping[UUID, Category]) -> CategoryOut:
    return CategoryOut(
        id=row.id,
        name=row.name,
        parent_id=row.parent_id,
        path=[tree[each].name for each in reversed(_path(tree, row.id))],
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
