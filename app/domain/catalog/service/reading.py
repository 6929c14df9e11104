"""Reading products: one, a page in the order of names, a search, the history of prices."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy import Result, text

from app.db.session import Work
from app.domain.catalog.grams import grams_of, likeness, product_words, words_of
from app.domain.catalog.rows import COLUMNS, STOCK, as_seen_by, find_product, found_product
from app.domain.catalog.schemas import FoundProduct, PriceChangeOut, PriceChangePage, ProductOut, ProductPage
from app.lib.money import as_price
from app.lib.pages import cut, decode_cursor, encode_cursor
from app.lib.text import normalise

_MAX_WORDS: Final = 8
_MAX_GRAMS: Final = 64
_FLOOR: Final = 0.18
_NEAR_THE_BEST: Final = 0.6
"""What is shown looks at least this much like what was typed, and as the best one does."""

_SKU_LETTERS: Final = 4

_LAST: Final = "\U0010ffff"
"""Follows every letter: the end of a prefix."""

_IN_CATEGORY: Final = (
    "p.category_id IN (WITH RECURSIVE branch AS (SELECT CAST(:category_id AS uuid) AS id UNION "
    "SELECT c.id FROM category c JOIN branch b ON c.parent_id = b.id "
    "WHERE c.tenant_id = :tenant_id AND c.retired_at IS NULL) SELECT id FROM branch)"
)
_EXACT: Final = (
    "SELECT p.id FROM product p WHERE p.id = ANY(ARRAY("
    "SELECT q.id FROM product q WHERE q.tenant_id = :tenant_id AND q.sku = :code UNION ALL "
    "SELECT b.product_id FROM product_barcode b WHERE b.tenant_id = :tenant_id AND b.code = :code)) AND "
)
_BEGUN: Final = "SELECT p.id, p.name_norm FROM product p WHERE "
_NEAR: Final = (
    "WITH sample AS (SELECT g.gram, g.word, (SELECT k.product_id FROM product_gram k "
    "WHERE k.tenant_id = :tenant_id AND k.gram = g.gram ORDER BY k.product_id OFFSET :sample LIMIT 1) AS far "
    "FROM unnest(CAST(:grams AS text[]), CAST(:words AS integer[])) AS g (gram, word) WHERE EXISTS "
    "(SELECT FROM product_gram k WHERE k.tenant_id = :tenant_id AND k.gram = g.gram)), "
    "placed AS (SELECT gram, word, far, row_number() OVER (PARTITION BY word ORDER BY far DESC NULLS FIRST, gram) "
    "AS place FROM sample), "
    "rare AS (SELECT gram, word FROM placed WHERE place <= :of_word ORDER BY far DESC NULLS FIRST, gram LIMIT :lists), "
    "near AS (SELECT u.product_id FROM rare, LATERAL (SELECT unnest(a.ids) AS product_id, "
    "CAST(1 AS double precision) / cardinality(a.ids) AS weight FROM (SELECT ARRAY(SELECT k.product_id "
    "FROM product_gram k WHERE k.tenant_id = :tenant_id AND k.gram = rare.gram ORDER BY k.product_id LIMIT :list) "
    "AS ids OFFSET 0) a OFFSET 0) u GROUP BY u.product_id ORDER BY sum(u.weight) DESC, u.product_id "
    "LIMIT :candidates) "
    "SELECT p.id, p.name_norm, p.sku, p.brand FROM near JOIN product p "
    "ON p.tenant_id = :tenant_id AND p.id = near.product_id WHERE "
)
"""Products that share the rarest pieces of the words typed: each piece counts for as much as it is rare.

Counted alike, one common word would outweigh a rare one by its number of pieces. A list cut short has the oldest
products.
"""
_HISTORY: Final = (
    "SELECT id, created_at, kind, unit_code, before, after, user_id FROM price_change "
    "WHERE tenant_id = :tenant_id AND product_id = :product_id"
)

Stage = Literal["begin", "prefix", "near", "beside"]


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """Which products a page is about."""

    retired: bool = False
    category_id: UUID | None = None
    variant_of: UUID | None = None


class Effort(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the catalogue a search by likeness reads."""

    sample: int
    """Entries of a piece that tell how common it is: the farther into the catalogue the last of them lies, the rarer."""
    of_word: int = 2
    """Rarest pieces of a word whose products are weighed."""
    lists: int
    """Rarest of those."""
    list: int
    """Products read of each."""
    candidates: int
    """Products compared word by word."""


_EFFORTS: Final[dict[Stage, Effort]] = {
    "near": Effort(sample=200, lists=5, list=3000, candidates=150),
    # Names that begin so are there already: what else looks like it must not make a prefix slow.
    "beside": Effort(sample=50, lists=3, list=500, candidates=80),
}


class _Likely(msgspec.Struct, frozen=True, order=True):
    """A candidate with its place: the likest first, then the shortest name."""

    key: str
    id: UUID


class ProductReading:
    """Reads of the request's transaction."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def find(self, product_id: UUID) -> ProductOut:
        """The product as the caller may see it. Raises `NotFound`, also for another company's."""
        return as_seen_by(await find_product(self._work, product_id), self._work.actor)

    async def page(self, filters: Filters, limit: int, cursor: str | None) -> ProductPage:
        """Products in the order of their names."""
        condition = ""
        key: dict[str, Any] = {}
        if cursor is not None:
            name, last = decode_cursor(cursor, tuple[str, UUID])
            condition, key = "AND (p.name_norm, p.id) > (:name, :last)", {"name": name, "last": last}
        rows = await self._rows(f"{condition} ORDER BY p.name_norm, p.id LIMIT :limit", filters, limit=limit + 1, **key)
        page, following = cut(rows, limit, lambda row: (row["name_norm"], row["id"]))
        return ProductPage(items=self._shown(page), next_cursor=following)

    async def search(self, typed: str, filters: Filters, limit: int, cursor: str | None) -> ProductPage:
        """Products like what was typed: that very code, names that begin so, then what looks like it, best first."""
        asked = normalise(typed)
        stage: Stage = "begin"
        last, last_id = "", UUID(int=0)
        if cursor is not None:
            stage, last, last_id = decode_cursor(cursor, tuple[Stage, str, UUID])
        exact = list((await self._execute(_EXACT, filters, code=typed.strip())).scalars())[:limit]
        chosen = exact if stage == "begin" else []
        if stage in {"begin", "prefix"}:
            begun = await self._begun(asked, filters, exact, limit + 1, last, last_id) if asked else []
            shown = begun[: limit - len(chosen)]
            chosen = [*chosen, *(row.id for row in shown)]
            if len(shown) < len(begun):
                last, last_id = (shown[-1].name_norm, shown[-1].id) if shown else (last, last_id)
                return await self._found(chosen, filters, encode_cursor(("prefix", last, last_id)))
            last, last_id = "", UUID(int=0)
            stage = "beside" if chosen or stage == "prefix" else "near"
        likely = [
            each
            for each in await self._likely(asked, filters, _EFFORTS[stage])
            if each.id not in exact and (each.key, each.id) > (last, last_id)
        ]
        added = likely[: limit - len(chosen)]
        following = None
        if len(added) < len(likely):
            last, last_id = (added[-1].key, added[-1].id) if added else ("", UUID(int=0))
            following = encode_cursor((stage, last, last_id))
        return await self._found([*chosen, *(each.id for each in added)], filters, following)

    async def prices(self, product_id: UUID, limit: int, cursor: str | None) -> PriceChangePage:
        """History of prices, newest first; of costs too for whoever may see them. Raises `NotFound`."""
        await find_product(self._work, product_id)
        key: dict[str, Any] = {"tenant_id": self._work.tenant_id, "product_id": product_id, "limit": limit + 1}
        statement = _HISTORY
        if not self._work.actor.may("costs:read"):
            statement += " AND kind <> 'cost'"
        if cursor is not None:
            statement += " AND id < :last"
            (key["last"],) = decode_cursor(cursor, tuple[UUID])
        rows = (await self._work.session.execute(text(f"{statement} ORDER BY id DESC LIMIT :limit"), key)).all()
        page, following = cut(rows, limit, lambda row: (row.id,))
        items = [
            PriceChangeOut(
                id=row.id,
                at=row.created_at,
                kind=row.kind,
                unit_code=row.unit_code,
                before=None if row.before is None else as_price(row.before),
                after=as_price(row.after),
                user_id=row.user_id,
            )
            for row in page
        ]
        return PriceChangePage(items=items, next_cursor=following)

    async def _begun(
        self, asked: str, filters: Filters, known: Sequence[UUID], limit: int, last: str, last_id: UUID
    ) -> Sequence[Any]:
        """Products whose name begins so: one plain range, which the index serves under row level security.

        It has a single lower bound; with two, the scan may begin at the lower one.
        """
        rows = await self._execute(
            _BEGUN,
            filters,
            "AND (p.name_norm, p.id) > (:last, :last_id) AND p.name_norm < :end AND p.id <> ALL(CAST(:known AS uuid[])) "
            "ORDER BY p.name_norm, p.id LIMIT :limit",
            end=asked + _LAST,
            last=max(last, asked),
            last_id=last_id,
            known=known,
            limit=limit,
        )
        return rows.all()

    async def _likely(self, asked: str, filters: Filters, effort: Effort) -> list[_Likely]:
        """Candidates that share rare pieces with what was typed, compared word by word."""
        words = words_of(asked)[:_MAX_WORDS]
        pieces = [(gram, number) for number, word in enumerate(words) for gram in sorted(grams_of(word))][:_MAX_GRAMS]
        if not pieces:
            return []
        rows = await self._execute(
            _NEAR,
            filters,
            grams=[gram for gram, _ in pieces],
            words=[number for _, number in pieces],
            sample=effort.sample - 1,
            of_word=effort.of_word,
            lists=effort.lists,
            list=effort.list,
            candidates=effort.candidates,
        )
        return ranked(words, (row for row in rows if not row.name_norm.startswith(asked)))

    async def _found(self, ids: Sequence[UUID], filters: Filters, following: str | None) -> ProductPage:
        """The page of these products in this order."""
        rows = await self._rows("AND p.id = ANY(CAST(:ids AS uuid[]))", filters, ids=ids) if ids else ()
        details = {row["id"]: row for row in rows}
        return ProductPage(items=self._shown(details[each] for each in ids), next_cursor=following)

    async def _rows(self, condition: str, filters: Filters, **values: Any) -> Sequence[Any]:
        select = f"SELECT {COLUMNS}, {STOCK} FROM product p WHERE "
        return (await self._execute(select, filters, condition, **values)).mappings().all()

    async def _execute(self, select: str, filters: Filters, condition: str = "", **values: Any) -> Result[Any]:
        """Run a statement with the company, the filters and a condition of its own."""
        parts = ["p.tenant_id = :tenant_id", f"AND p.retired_at IS {'NOT ' if filters.retired else ''}NULL"]
        values["tenant_id"] = self._work.tenant_id
        if filters.category_id is not None:
            parts.append(f"AND {_IN_CATEGORY}")
            values["category_id"] = filters.category_id
        if filters.variant_of is not None:
            parts.append("AND p.variant_of = :variant_of")
            values["variant_of"] = filters.variant_of
        return await self._work.session.execute(text(f"{select}{' '.join(parts)} {condition}"), values)

    def _shown(self, rows: Iterable[Any]) -> list[FoundProduct]:
        return [found_product(row, self._work.actor.permissions) for row in rows]


def ranked(asked: Sequence[str], rows: Iterable[Any]) -> list[_Likely]:
    """Rows of `id, name_norm, sku, brand` in the order of their likeness; what is far from the best is left out.

    A row's likeness is that of its best word to each word typed, weighted by letters. References count for words that
    could be one: every product has its own, and comparing them all would take longer than the rest.
    """
    known: dict[str, list[float]] = {}
    with_sku = any(len(word) >= _SKU_LETTERS and not word.isalpha() for word in asked)
    whole = sum(map(len, asked))
    scored: list[tuple[float, int, UUID]] = []
    for product_id, name_norm, sku, brand in rows:
        words = product_words(name_norm, sku if with_sku else "", brand)
        of_words = [
            known.get(word) or known.setdefault(word, [likeness(each, word) for each in asked]) for word in words
        ]
        best = map(max, zip(*of_words, strict=True))
        score = sum(len(word) * each for word, each in zip(asked, best, strict=False)) / whole
        scored.append((score, len(name_norm), product_id))
    floor = max(_FLOOR, _NEAR_THE_BEST * max((score for score, *_ in scored), default=0.0))
    found = [_Likely(f"{1 - score:.4f}:{length:03d}", each) for score, length, each in scored if score >= floor]
    return sorted(found)
