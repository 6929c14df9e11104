"""The company's profile: what DIAN will ask, checked against its lists; the logo; what the ticket prints."""

import re
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from app.lib.pesos import format_nit
from tests.contract.company import picture
from tests.domain.inventory.shelf import differences, refusal
from tests.domain.tenants.places import company
from tests.paper import text_of
from tests.shop import Shop

PROFILE = {
    "name": "Ferretería El Tornillo S.A.S.",
    "tradeName": "El Tornillo",
    "organization": "person",
    "regime": "49",
    "tribute": "ZZ",
    "responsibilities": ["O-13", "O-15"],
    "ciiu": ["4752", "4663"],
    "merchantRegistration": "00123456",
    "address": "Calle 10 # 5-20",
    "municipalityCode": "05001",
    "postalCode": "050001",
    "phone": "604 555 1234",
    "email": "ventas@tornillo.co",
    "ticketFooter": "Gracias por su compra\nCambios con tiquete, 30 días",
    "cashRounding": 50,
    "cashTolerance": "2000.00",
}


async def test_the_whole_profile_is_kept_and_told(shop: Shop) -> None:
    changed = await shop.patch("/v1/company", PROFILE)
    assert changed.status_code == 200, changed.text
    found = await company(shop)
    assert found == changed.json()
    assert {name: found[name] for name in PROFILE} == PROFILE
    assert found["municipality"] == "Medellín, Antioquia"
    assert (found["timeZone"], found["currency"], found["plan"], found["status"]) == (
        "America/Bogota",
        "COP",
        "pro",
        "trial",
    )
    entries = (await shop.get("/v1/audit/entries", subjectId=found["id"])).json()["items"]
    assert any(entry["action"] == "company.changed" for entry in entries)


async def test_a_change_that_says_nothing_new_leaves_no_trace(shop: Shop) -> None:
    await shop.patch("/v1/company", PROFILE)
    before = (await shop.get("/v1/audit/entries")).json()["items"][0]["seq"]
    assert (await shop.patch("/v1/company", PROFILE)).status_code == 200
    assert (await shop.get("/v1/audit/entries")).json()["items"][0]["seq"] == before


async def test_a_version_that_changed_meanwhile_is_not_overwritten(shop: Shop) -> None:
    read = await shop.get("/v1/company")
    tag = read.headers["etag"]
    assert (await shop.patch("/v1/company", {"phone": "1"}, **{"If-Match": tag})).status_code == 200
    late = await shop.patch("/v1/company", {"phone": "2"}, **{"If-Match": tag})
    assert refusal(late) == (412, "precondition-failed")
    assert (await company(shop))["phone"] == "1"


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"municipalityCode": "99999"}, 422, "/municipalityCode"),
        ({"postalCode": "999999"}, 422, "/postalCode"),
        ({"responsibilities": ["R-99-PN", "O-13"]}, 422, "/responsibilities"),
        ({"cashTolerance": "-1"}, 422, "/cashTolerance"),
        ({"responsibilities": []}, 400, "/responsibilities"),
        ({"responsibilities": ["O-99"]}, 400, "/responsibilities/0"),
        ({"ciiu": ["475"]}, 400, "/ciiu/0"),
        ({"regime": "50"}, 400, "/regime"),
        ({"name": "   "}, 400, "/name"),
        ({"name": "Tienda\u0007"}, 400, "/name"),
        ({"email": "nadie"}, 400, "/email"),
        ({"nit": "901555123"}, 400, "/nit"),
        ({"status": "active"}, 400, "/status"),
        ({"plan": "enterprise"}, 400, "/plan"),
    ],
    ids=lambda part: str(part)[:40],
)
async def test_a_wrong_profile_is_refused_at_its_place_and_changes_nothing(
    shop: Shop, body: dict[str, Any], status: int, pointer: str
) -> None:
    before = await company(shop)
    answer = await shop.patch("/v1/company", body)
    assert answer.status_code == status, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert await company(shop) == before


async def test_the_ticket_shows_the_nit_and_the_footer(shop: Shop) -> None:
    await shop.patch("/v1/company", PROFILE)
    product = await shop.product()
    sold = await shop.sell(await shop.open_drawer(), [{"productId": product["id"], "quantity": "1"}], "11900")
    paper = await shop.get(f"/v1/sales/{sold.json()['id']}/ticket.pdf")
    said = re.sub(r"\s+", " ", text_of(paper.content))
    found = await company(shop)
    assert f"NIT {format_nit(found['nit'], found['dv'])}" in said
    assert "Gracias por su compra Cambios con tiquete, 30 días" in said
    assert "Calle 10 # 5-20" in said


async def put_logo(shop: Shop, content: bytes, media_type: str) -> Any:
    return await shop.http.put("/v1/company/logo", content=content, headers=shop.headers | {"Content-Type": media_type})


async def storage(shop: Shop) -> int:
    return int((await shop.get("/v1/company/plan")).json()["limits"]["storage"]["used"])


async def test_a_logo_is_drawn_anew_small_and_counted(shop: Shop) -> None:
    photo = Image.effect_noise((1600, 800), 90).convert("RGB")
    buffer, exif = BytesIO(), Image.Exif()
    exif[0x010E] = "secreto dentro de la foto"
    photo.save(buffer, "JPEG", exif=exif, quality=60)
    kept = await put_logo(shop, buffer.getvalue(), "image/jpeg")
    assert kept.status_code == 200, kept.text
    told = await shop.get("/v1/company/logo")
    assert told.headers["content-type"] == "image/png"
    with Image.open(BytesIO(told.content)) as drawn:
        assert (drawn.format, drawn.size) == ("PNG", (kept.json()["width"], kept.json()["height"]))
        assert max(drawn.size) <= 512
        assert not drawn.getexif()
    assert b"secreto" not in told.content
    assert await storage(shop) == len(told.content) == kept.json()["size"] <= 120_000
    assert (await company(shop))["logo"] == kept.json()
    assert (await put_logo(shop, picture(), "image/png")).status_code == 200
    smaller = (await shop.get("/v1/company/logo")).content
    assert await storage(shop) == len(smaller) < len(told.content)
    for _ in range(2):
        assert (await shop.delete("/v1/company/logo")).status_code == 204
    assert refusal(await shop.get("/v1/company/logo")) == (404, "not-found")
    assert await storage(shop) == 0
    assert await differences(shop) == []


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (picture(), "image/gif"),
        (picture(), "application/json; charset=utf-8"),
        (picture(), "image/jpeg"),
        (b"<svg onload='alert(1)'/>", "image/png"),
        (picture()[:40], "image/png"),
        (b"", "image/png"),
        (picture(6000, 6000), "image/png"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 200, "image/png"),
    ],
    ids=["a gif", "no image", "another kind", "a drawing", "cut off", "nothing", "too many points", "zeros"],
)
async def test_what_is_no_logo_is_refused_and_kept_nowhere(shop: Shop, content: bytes, media_type: str) -> None:
    answer = await put_logo(shop, content, media_type)
    assert refusal(answer) == (422, "invalid-logo"), answer.text
    assert (await company(shop))["logo"] is None
    assert await storage(shop) == 0


async def test_lists_of_dian_and_dane_are_offered(shop: Shop) -> None:
    found = (await shop.get("/v1/municipalities", search="medellin")).json()
    assert found == {"items": [{"code": "05001", "name": "Medellín", "department": "Antioquia"}], "nextCursor": None}
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = (await shop.get("/v1/municipalities", limit=200, **({"cursor": cursor} if cursor else {}))).json()
        seen += [place["code"] for place in page["items"]]
        if (cursor := page["nextCursor"]) is None:
            break
    assert len(seen) == len(set(seen)) == 1122
    assert seen == sorted(seen)
    codes = (await shop.get("/v1/fiscal-codes")).json()
    assert [one["code"] for one in codes["responsibilities"]] == ["O-13", "O-15", "O-23", "O-47", "R-99-PN"]
    assert {"code": "48", "name": "Responsable de IVA"} in codes["regimes"]


async def test_onboarding_follows_the_facts(shop: Shop) -> None:
    async def done() -> list[str]:
        found = (await shop.get("/v1/company/onboarding")).json()
        assert found["done"] == sum(step["isDone"] for step in found["steps"])
        assert found["isComplete"] == (found["done"] == found["total"])
        return [step["code"] for step in found["steps"] if step["isDone"]]

    assert await done() == []
    await shop.patch("/v1/company", PROFILE)
    assert await done() == ["company"]
    product = await shop.product(stock=None)
    assert await done() == ["company", "products"]
    await shop.stock(product["id"], "5")
    assert await done() == ["company", "products", "stock"]
    session = await shop.open_drawer()
    assert await done() == ["company", "products", "stock", "cash"]
    await shop.sell(session, [{"productId": product["id"], "quantity": "1"}], "11900")
    assert await done() == ["company", "products", "stock", "cash", "sale"]
    await shop.patch("/v1/company", {"phone": ""})
    steps = (await shop.get("/v1/company/onboarding")).json()["steps"]
    assert steps[0] == {
        "code": "company",
        "title": "Complete los datos de su empresa",
        "isDone": False,
        "missing": ["phone"],
    }
