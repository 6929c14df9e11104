"""Search: what a hurried hand types, and what it should find."""

from uuid import UUID

import asyncpg
import pytest

from app.domain.catalog.grams import grams_of, likeness, product_grams
from app.lib.text import LONGEST, normalise
from tests.domain.cash.counter import Admin
from tests.domain.catalog.test_products import created, found
from tests.shop import Shop

NAMES = {
    "T1": "Tornillo galvanizado 37 mm",
    "T2": "Tornillo galvanizado 38 mm",
    "C1": "Café Águila Roja 500 g",
    "N1": "Ñame criollo",
    "CB": "Cable THHN 12 AWG",
    "CD": "Candado de bronce",
    "AL": "Arroz con leche",
    "LE": "Leche entera",
    "M1": "Martillo",
}


@pytest.fixture
async def stocked(shop: Shop) -> Shop:
    for sku, name in NAMES.items():
        await created(shop, sku=sku, name=name, brand="Bavaria" if sku == "M1" else "")
    return shop


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("tornillo galvanizado 37", "T1"),
        ("TORNILLO GALVANIZADO 38", "T2"),
        ("tronillo galvanizado 38 mm", "T2"),
        ("tornilo galbanizado 37", "T1"),
        ("cafe aguila", "C1"),
        ("CAFÉ", "C1"),
        ("  café   águila ", "C1"),
        ("name", "N1"),
        ("ÑAME", "N1"),
        ("calbe", "CB"),
        ("cavle", "CB"),
        ("cabel thhn", "CB"),
        ("candao", "CD"),
        ("bronce", "CD"),
        ("bavaria", "M1"),
        ("bavarai", "M1"),
        ("leche", "LE"),
        ("lehce", "LE"),
        ("martlilo", "M1"),
        ("M1", "M1"),
    ],
)
async def test_accents_case_and_slips_are_forgiven(stocked: Shop, typed: str, first: str) -> None:
    assert (await found(stocked, search=typed))[0] == first


async def test_names_that_begin_so_come_before_names_that_contain_it(stocked: Shop) -> None:
    assert await found(stocked, search="leche") == ["LE", "AL"]


@pytest.mark.parametrize("typed", ["zzqx", "%", "_", "'", '"; drop', "\\", "💥", "\u0301", "''--"])
async def test_nothing_like_it_finds_nothing(stocked: Shop, typed: str) -> None:
    assert await found(stocked, search=typed) == []


async def test_a_blank_search_is_the_whole_list(stocked: Shop) -> None:
    assert len(await found(stocked, search="   ")) == len(NAMES)


async def test_the_very_code_comes_first(stocked: Shop) -> None:
    await created(stocked, sku="ZZ", name="Zapato", barcodes=["LECHE"])
    assert (await found(stocked, search="LECHE"))[0] == "ZZ"


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
async def test_pages_of_a_search_hold_everything_once(shop: Shop, limit: int) -> None:
    for number in range(5):
        await created(shop, sku=f"A{number}", name=f"Leche marca {number}")
        await created(shop, sku=f"B{number}", name=f"Arroz de {number} con leche")
    await created(shop, sku="Z", name="Yogur", barcodes=["leche"])
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(20):
        page = (await shop.get("/v1/products", search="leche", limit=limit, **cursor)).json()
        assert len(page["items"]) <= limit
        seen += [item["sku"] for item in page["items"]]
        if page["nextCursor"] is None:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert seen[0] == "Z"
    assert seen[1:6] == [f"A{number}" for number in range(5)]
    assert sorted(seen) == sorted(["Z", *(f"{kind}{number}" for kind in "AB" for number in range(5))])


async def test_a_search_within_a_category_leaves_the_others_out(shop: Shop) -> None:
    category = (await shop.post("/v1/categories", {"name": "Lácteos"})).json()
    child = (await shop.post("/v1/categories", {"name": "Leches", "parentId": category["id"]})).json()
    await created(shop, sku="IN", name="Leche entera", categoryId=child["id"])
    await created(shop, sku="OUT", name="Leche deslactosada")
    assert await found(shop, search="lehce", categoryId=category["id"]) == ["IN"]
    assert await found(shop, search="leche", categoryId=category["id"]) == ["IN"]
    assert await found(shop, categoryId=category["id"]) == ["IN"]


@pytest.mark.parametrize("cursor", ["x", "W10", "WyJiZWdpbiIsICIiLCAxXQ", "WyJwcmVmaXgiXQ"])
async def test_a_cursor_of_another_list_is_refused(stocked: Shop, cursor: str) -> None:
    for params in ({"search": "leche"}, {}):
        answer = await stocked.get("/v1/products", cursor=cursor, **params)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/cursor")


async def test_only_one_question_at_a_time(stocked: Shop) -> None:
    assert (await stocked.get("/v1/products", search="a", sku="b")).status_code == 400


async def test_prefixes_use_the_index_behind_the_fence(shop: Shop, admin: Admin, environ: dict[str, str]) -> None:
    """As the application's own role, with the fence up and thousands of names, no scan of the whole company."""
    warehouse = UUID(shop.tenant_id)
    await admin.execute(
        "INSERT INTO product (tenant_id, id, sku, name, name_norm, price, tax_class) SELECT $1, gen_random_uuid(), "
        "'S' || n, 'p', 'producto ' || n, 1, 'iva19' FROM generate_series(1, 20000) n",
        warehouse,
    )
    await admin.execute("ANALYZE product")
    connection = await asyncpg.connect(environ["DATABASE_URL"])
    try:
        async with connection.transaction():
            await connection.execute("SELECT set_config('app.tenant_id', $1, true)", shop.tenant_id)
            plan = await connection.fetch(
                "EXPLAIN SELECT id FROM product p WHERE p.tenant_id = $1 AND p.retired_at IS NULL "
                "AND (p.name_norm, p.id) > ($2, $3) AND p.name_norm < $4 ORDER BY p.name_norm, p.id LIMIT 50",
                warehouse,
                "producto 77",
                UUID(int=0),
                "producto 77\U0010ffff",
            )
    finally:
        await connection.close()
    lines = "\n".join(row[0] for row in plan)
    assert "Index Scan using ix_product_name" in lines
    assert "name_norm < 'producto 77" in lines.partition("Index Cond")[2].partition("\n")[0]


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("  Ñandú  ÁÉÍ ü ", "nandu aei u"),
        ("CAFÉ™", "cafetm"),
        ("Straße", "strasse"),
        ("\u200bHola\tMundo", "hola mundo"),
        ("İstanbul", "istanbul"),
        ("", ""),
    ],
)
def test_text_has_one_normal_form(written: str, normal: str) -> None:
    assert normalise(written) == normal
    assert normalise(normalise(written)) == normal


def test_the_normal_form_fits_an_index_entry() -> None:
    assert len(normalise("ﷺ" * 200)) == LONGEST


def test_pieces_of_words_survive_two_letters_changing_places() -> None:
    assert grams_of("calbe") & grams_of("cable") == {" ca", "=abcel"}
    assert product_grams("cable 12", "A-1", "") >= {" ca", "=abcel", " 12", "12 ", " a ", " 1 "}
    assert likeness("tornillo", "tornillo") > likeness("torn", "tornillo") > likeness("tronillo", "tornillo")
    assert likeness("tronillo", "tornillo") > likeness("tronillo", "martillo")
    assert likeness("37", "38") < likeness("cavle", "cable")
