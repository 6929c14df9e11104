"""Finding products: by code, by what a hurried hand types, or in the order of names; each answer is encoded already.

The counter's most frequent questions: a code and a prefix take one round trip, a name with a slip three.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from app.db.quick import Question, Quick, asked_by
from app.domain.catalog.found import FOUND, encoded_page
from app.domain.catalog.grams import grams_of, likeness, product_words, words_of
from app.lib.actor import Access, admit
from app.lib.errors import Malformed
from app.lib.pages import cut, decode_cursor, encode_cursor
from app.lib.text import normalise
from app.lib.tokens import Claims

READS_PRODUCTS: Final = Access("products:read", writes=False, in_read_only=False)
"""What the route's guard asks for; here the first question's answer is held against it."""

Code = Literal["barcode", "sku"]
Stage = Literal["begin", "prefix", "near", "beside"]

_MAX_WORDS: Final = 8
_MAX_GRAMS: Final = 64
_FLOOR: Final = 0.18
_NEAR_THE_BEST: Final = 0.6
"""What is shown looks at least this much like what was typed, and as the best one does."""
_SKU_LETTERS: Final = 4
_LAST: Final = "\U0010ffff"
"""Follows every letter: the end of a prefix."""
_NOBODY: Final = UUID(int=0)

_IN_CATEGORY: Final = (
    "p.category_id IN (WITH RECURSIVE branch AS (SELECT CAST(:category_id AS uuid) AS id UNION "
    "SELECT c.id FROM category c JOIN branch b ON c.parent_id = b.id "
    "WHERE c.tenant_id = :tenant_id AND c.retired_at IS NULL) SELECT id FROM branch)"
)
_CODES: Final[dict[Code, str]] = {
    "barcode": "product_barcode c JOIN product p ON p.tenant_id = :tenant_id AND p.id = c.product_id "
    "WHERE c.tenant_id = :tenant_id AND c.code = :code",
    "sku": "product p WHERE p.tenant_id = :tenant_id AND p.sku = :code",
}
_BEGINNING: Final = (
    "WITH exact AS MATERIALIZED (SELECT p.id FROM product p WHERE p.id = ANY(ARRAY("
    "SELECT q.id FROM product q WHERE q.tenant_id = :tenant_id AND q.sku = :code UNION ALL "
    "SELECT b.product_id FROM product_barcode b WHERE b.tenant_id = :tenant_id AND b.code = :code)) AND {filters}), "
    "begun AS (SELECT p.id, p.name_norm FROM product p WHERE {filters} AND (p.name_norm, p.id) > (:last, :last_id) "
    "AND p.name_norm < :end AND p.id NOT IN (SELECT e.id FROM exact e) ORDER BY p.name_norm, p.id LIMIT :limit), "
    "chosen AS (SELECT true AS is_exact, e.id FROM exact e UNION ALL SELECT false, b.id FROM begun b) "
    f"SELECT c.is_exact, c.id AS product_id, p.name_norm, {FOUND} "
    "FROM chosen c JOIN product p ON p.tenant_id = :tenant_id AND p.id = c.id"
)
"""The products with that very code, and those whose name begins so: one plain range, which the index serves under row
level security. It has a single lower bound; with two, the scan may begin at the lower one.
"""
_NEAR: Final = (
    "WITH sample AS (SELECT g.gram, g.word, (SELECT k.product_id FROM product_gram k "
    "WHERE k.tenant_id = :tenant_id AND k.gram = g.gram ORDER BY k.product_id OFFSET :sample LIMIT 1) AS far "
    "FROM unnest(CAST(:grams AS text[]), CAST(:words AS integer[])) AS g (gram, word) WHERE EXISTS "
    "(SELECT FROM product_gram k WHERE k.tenant_id = :tenant_id AND k.gram = g.gram)), "
    "placed AS (SELECT gram, word, far, row_number() OVER (PARTITION BY word ORDER BY far DESC NULLS FIRST, gram) "
    "AS place FROM sample), "
    "rare AS (SELECT gram, word FROM placed WHERE place <= :of_word ORDER BY far DESC NULLS FIRST, gram LIMIT :lists), "
    "near AS (SELECT u.product_id FROM rare, "
    "LATERAL (SELECT CAST(1 AS double precision) / count(*) AS weight FROM (SELECT FROM product_gram k "
    "WHERE k.tenant_id = :tenant_id AND k.gram = rare.gram LIMIT :list) counted) w, "
    "LATERAL (SELECT k.product_id FROM product_gram k WHERE k.tenant_id = :tenant_id AND k.gram = rare.gram "
    "ORDER BY k.product_id LIMIT :list) u "
    "GROUP BY u.product_id ORDER BY sum(w.weight) DESC, u.product_id LIMIT :candidates) "
    "SELECT p.id, p.name_norm, p.sku, p.brand FROM near JOIN product p "
    "ON p.tenant_id = :tenant_id AND p.id = near.product_id WHERE {filters}"
)
"""Products that share the rarest pieces of the words typed: each piece counts for as much as it is rare.

Counted alike, one common word would outweigh a rare one by its number of pieces. A list cut short has the oldest
products. Counting a list apart from reading it lets the planner hash what it would otherwise sort.
"""


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
    "near": Effort(sample=200, lists=4, list=3000, candidates=120),
    # Names that begin so are there already: what else looks like it must not make a prefix slow.
    "beside": Effort(sample=50, lists=3, list=500, candidates=80),
}


@cache
def _question(what: str, retired: bool, in_category: bool, is_variant: bool, goes_on: bool = False) -> Question:
    """A statement for one shape of filters; the few there are stay prepared on each connection."""
    parts = ["p.tenant_id = :tenant_id", f"p.retired_at IS {'NOT ' if retired else ''}NULL"]
    if in_category:
        parts.append(_IN_CATEGORY)
    if is_variant:
        parts.append("p.variant_of = :variant_of")
    filters = " AND ".join(parts)
    if what in _CODES:
        return asked_by(f"SELECT {FOUND} FROM {_CODES[what]} AND {filters}")
    if what == "begin":
        return asked_by(_BEGINNING.replace("{filters}", filters))
    if what == "near":
        return Question(_NEAR.replace("{filters}", filters))
    listed = f"SELECT p.id AS product_id, p.name_norm, {FOUND} FROM product p WHERE {filters}"
    if what == "these":
        return Question(f"{listed} AND p.id = ANY(CAST(:ids AS uuid[]))")
    behind = "AND (p.name_norm, p.id) > (:name, :last_id) " if goes_on else ""
    return asked_by(f"{listed} {behind}ORDER BY p.name_norm, p.id LIMIT :limit")


_WHO: Final = asked_by("SELECT true AS here")


class Likely(msgspec.Struct, frozen=True, order=True):
    """A candidate with its place: the likest first, then the shortest name."""

    key: str
    id: UUID


class ProductSearch:
    """Questions of one request; the first one's answer says whether its person may ask."""

    def __init__(self, quick: Quick, claims: Claims) -> None:
        self._quick = quick
        self._claims = claims
        self._permissions: frozenset[str] = frozenset()

    async def by_code(self, kind: Code, code: str, filters: Filters) -> bytes:
        """The page of the product with this code, empty when there is none. Raises 401 and 403."""
        rows = await self._first(_question(kind, filters.retired, False, False), code=code)
        return self._encoded(rows, None)

    async def page(self, filters: Filters, limit: int, cursor: str | None) -> bytes:
        """Products in the order of their names."""
        name, last_id = await self._read_cursor(cursor, tuple[str, UUID]) if cursor is not None else ("", _NOBODY)
        question = _shaped("page", filters, goes_on=cursor is not None)
        values = _values(filters) | {"name": name, "last_id": last_id, "limit": limit + 1}
        rows = sorted(await self._first(question, **values), key=lambda row: (row["name_norm"], row["product_id"]))
        page, following = cut(rows, limit, lambda row: (row["name_norm"], row["product_id"]))
        return self._encoded(page, following)

    async def search(self, typed: str, filters: Filters, limit: int, cursor: str | None) -> bytes:
        """Products like what was typed: that very code, names that begin so, then what looks like it, best first."""
        asked = normalise(typed)
        stage: Stage = "begin"
        last, last_id = "", _NOBODY
        if cursor is not None:
            stage, last, last_id = await self._read_cursor(cursor, tuple[Stage, str, UUID])
        wants_begun = bool(asked) and stage in {"begin", "prefix"}
        rows = await self._first(
            _shaped("begin", filters),
            **_values(filters),
            code=typed.strip(),
            last=max(last, asked),
            last_id=last_id,
            end=asked + _LAST,
            limit=limit + 1 if wants_begun else 0,
        )
        exact = [row for row in rows if row["is_exact"]][:limit]
        chosen = exact if stage == "begin" else []
        if stage in {"begin", "prefix"}:
            begun = sorted(
                (row for row in rows if not row["is_exact"]), key=lambda row: (row["name_norm"], row["product_id"])
            )
            shown = begun[: limit - len(chosen)]
            chosen = [*chosen, *shown]
            if len(shown) < len(begun):
                last, last_id = (shown[-1]["name_norm"], shown[-1]["product_id"]) if shown else (last, last_id)
                return self._encoded(chosen, encode_cursor(("prefix", last, last_id)))
            last, last_id = "", _NOBODY
            stage = "beside" if chosen or stage == "prefix" else "near"
        known = {row["product_id"] for row in exact}
        likely = [
            each
            for each in await self._likely(asked, filters, _EFFORTS[stage])
            if each.id not in known and (each.key, each.id) > (last, last_id)
        ]
        added = likely[: limit - len(chosen)]
        following = None
        if len(added) < len(likely):
            last, last_id = (added[-1].key, added[-1].id) if added else ("", _NOBODY)
            following = encode_cursor((stage, last, last_id))
        return self._encoded([*chosen, *await self._these([each.id for each in added], filters)], following)

    async def refuse_stranger(self) -> None:
        """Raise 401 or 403 for whoever may not ask: told before what is wrong with the question."""
        await self._first(_WHO)

    async def _likely(self, asked: str, filters: Filters, effort: Effort) -> list[Likely]:
        """Candidates that share rare pieces with what was typed, compared word by word."""
        words = words_of(asked)[:_MAX_WORDS]
        pieces = [(gram, number) for number, word in enumerate(words) for gram in sorted(grams_of(word))][:_MAX_GRAMS]
        if not pieces:
            return []
        rows = await self._next(
            _shaped("near", filters),
            **_values(filters),
            grams=[gram for gram, _ in pieces],
            words=[number for _, number in pieces],
            sample=effort.sample - 1,
            of_word=effort.of_word,
            lists=effort.lists,
            list=effort.list,
            candidates=effort.candidates,
        )
        return ranked(words, (row for row in rows if not row["name_norm"].startswith(asked)))

    async def _these(self, ids: Sequence[UUID], filters: Filters) -> list[Any]:
        """Rows of these products in this order; one that was retired meanwhile is left out."""
        if not ids:
            return []
        rows = await self._next(_shaped("these", filters), **_values(filters), ids=list(ids))
        details = {row["product_id"]: row for row in rows}
        return [details[each] for each in ids if each in details]

    async def _read_cursor(self, cursor: str, shape: type[Any]) -> Any:
        try:
            return decode_cursor(cursor, shape)
        except Malformed:
            await self.refuse_stranger()
            raise

    async def _first(self, question: Question, **values: Any) -> list[Any]:
        if self._claims.is_support and question.by_support is not None:
            question = question.by_support
        rows = await self._next(question, **values, session_id=self._claims.session_id)
        _, self._permissions = admit(rows[0] if rows else None, READS_PRODUCTS)
        return [row for row in rows if row.get("found") is not None]

    async def _next(self, question: Question, **values: Any) -> Sequence[Any]:
        return await self._quick.ask(question, self._claims.tenant_id, self._claims.user_id, **values)

    def _encoded(self, rows: Iterable[Any], following: str | None) -> bytes:
        return encoded_page(rows, self._permissions, following)


def _shaped(what: str, filters: Filters, *, goes_on: bool = False) -> Question:
    return _question(what, filters.retired, filters.category_id is not None, filters.variant_of is not None, goes_on)


def _values(filters: Filters) -> dict[str, Any]:
    return {"category_id": filters.category_id, "variant_of": filters.variant_of}


def ranked(asked: Sequence[str], rows: Iterable[Any]) -> list[Likely]:
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
    found = [Likely(f"{1 - score:.4f}:{length:03d}", each) for score, length, each in scored if score >= floor]
    return sorted(found)
