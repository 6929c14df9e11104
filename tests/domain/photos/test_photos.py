"""Photos of products and people: drawn anew, private, behind links that end."""

import asyncio
from datetime import timedelta
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import httpx
import pytest
from PIL import Image

from app.db.session import Database
from app.domain.photos.links import PhotoLinks
from app.lib import clock
from app.settings import Settings
from tests.db.catalogue import Admin
from tests.people import hire
from tests.shop import Shop

GPS = b"4.7110 N 74.0721 W"


def camera(width: int = 3000, height: int = 2000, kind: str = "JPEG") -> bytes:
    """A picture as a telephone makes it: turned, with what it knows of the place, and something behind its end."""
    picture = Image.effect_noise((width, height), 60).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = GPS.decode()
    buffer = BytesIO()
    picture.save(buffer, kind, exif=exif, quality=60)
    return buffer.getvalue() + b"<script>alert(1)</script>"


async def put(shop: Shop, content: bytes, kind: str = "image/jpeg", path: str = "/v1/me/photo") -> httpx.Response:
    method = "PUT" if path.endswith("/photo") else "POST"
    headers = shop.headers | {"Content-Type": kind}
    return await shop.http.request(method, path, content=content, headers=headers)


def local(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


async def used(shop: Shop, admin: Admin) -> int:
    found: int | None = await admin.fetchval(
        "SELECT used FROM tenant_usage WHERE tenant_id = $1 AND resource = 'storage'", UUID(shop.tenant_id)
    )
    assert found is not None
    return found


async def test_a_camera_picture_is_turned_made_small_and_loses_what_it_knew(shop: Shop, admin: Admin) -> None:
    product = await shop.product(stock=None)
    path = f"/v1/products/{product['id']}/photos"
    made = await put(shop, camera(), path=path)
    assert made.status_code == 201, made.text
    assert made.json()["width"] < made.json()["height"] <= 1280
    answer = await shop.http.get(local(made.json()["url"]))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert GPS not in answer.content
    assert b"script" not in answer.content
    kept = Image.open(BytesIO(answer.content))
    assert kept.getexif().get(0x0112) is None
    assert kept.height > kept.width, "turned as the camera meant"
    assert made.json()["size"] == len(answer.content) <= 300_000
    assert await used(shop, admin) == len(answer.content)
    listed = (await shop.get(path)).json()["items"]
    assert [one["id"] for one in listed] == [made.json()["id"]]
    assert (await shop.delete(f"/v1/photos/{made.json()['id']}")).status_code == 204
    assert (await shop.http.get(local(made.json()["url"]))).status_code == 404
    assert await used(shop, admin) == 0


async def test_a_link_has_a_tag_and_needs_no_login(shop: Shop) -> None:
    made = (await put(shop, camera(300, 200))).json()
    first = await shop.http.get(local(made["url"]))
    again = await shop.http.get(local(made["url"]), headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "private" in first.headers["cache-control"]
    assert first.headers.get("x-content-type-options", "nosniff") == "nosniff"


async def test_no_other_link_can_be_made_from_one(shop: Shop, other_shop: Shop, settings: Settings) -> None:
    mine, theirs = [(await put(one, camera(300, 200))).json() for one in (shop, other_shop)]
    query = parse_qs(urlsplit(mine["url"]).query)
    expires, signature = int(query["expires"][0]), query["signature"][0]

    async def get(tenant: str, photo: str, until: int, signed: str) -> int:
        path = f"/v1/public/photos/{tenant}/{photo}"
        answer = await shop.http.get(path, params={"expires": until, "signature": signed})
        return answer.status_code

    assert await get(shop.tenant_id, mine["id"], expires, signature) == 200
    assert await get(other_shop.tenant_id, theirs["id"], expires, signature) == 404
    assert await get(other_shop.tenant_id, mine["id"], expires, signature) == 404
    assert await get(shop.tenant_id, theirs["id"], expires, signature) == 404
    assert await get(shop.tenant_id, str(uuid4()), expires, signature) == 404
    assert await get(shop.tenant_id, mine["id"], expires + 3600, signature) == 404
    assert await get(shop.tenant_id, mine["id"], expires, signature[:-1]) == 404
    assert await get(shop.tenant_id, mine["id"], expires, "ñ") == 404
    links, tenant, photo = PhotoLinks(settings), UUID(shop.tenant_id), UUID(mine["id"])
    past, _ = links.make(tenant, photo, clock.now() - timedelta(hours=3))
    assert (await shop.http.get(local(past))).status_code == 404
    _, ends = links.make(tenant, photo, clock.now())
    assert timedelta(hours=1) <= ends - clock.now() <= timedelta(hours=2)


def bomb() -> bytes:
    buffer = BytesIO()
    Image.new("1", (20_000, 20_000)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", "image/png", 422),
        (b"GIF89a", "image/gif", 422),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", 422),
        (camera(60, 40), "image/png", 422),
        (camera(60, 40)[:300], "image/jpeg", 422),
        (bomb(), "image/png", 422),
        (b"\xff\xd8" + b"x" * 8_000_001, "image/jpeg", 413),
        (b"x" * 11_000_000, "image/jpeg", 413),
    ],
    ids=["empty", "gif", "svg", "not what it says", "cut off", "bomb", "large", "larger"],
)
async def test_what_is_no_picture_is_refused_and_changes_nothing(
    shop: Shop, admin: Admin, content: bytes, kind: str, status: int
) -> None:
    kept = (await put(shop, camera(60, 40))).json()
    answer = await put(shop, content, kind)
    assert answer.status_code == status, answer.text
    assert (await shop.get("/v1/me/photo")).json()["id"] == kept["id"]
    assert await used(shop, admin) == kept["size"]


async def test_at_once_a_person_has_one_photo_and_a_product_no_more_than_allowed(shop: Shop, admin: Admin) -> None:
    picture = camera(60, 40)
    mine = await asyncio.gather(*(put(shop, picture) for _ in range(4)))
    assert {answer.status_code for answer in mine} == {200}
    product = await shop.product(stock=None)
    path = f"/v1/products/{product['id']}/photos"
    answers = await asyncio.gather(*(put(shop, picture, path=path) for _ in range(11)))
    assert sorted(answer.status_code for answer in answers) == [201] * 8 + [422] * 3
    sizes = await admin.fetchval(
        "SELECT sum(octet_length(content)) FROM photo WHERE tenant_id = $1", UUID(shop.tenant_id)
    )
    assert await used(shop, admin) == sizes


async def test_erasure_takes_the_photo_with_it(shop: Shop, database: Database, admin: Admin) -> None:
    person = await hire(shop, database, "cashier", "Ana Gómez")
    headers: dict[str, Any] = {"Authorization": f"Bearer {person.token}", "Content-Type": "image/jpeg"}
    made = await shop.http.put("/v1/me/photo", content=camera(60, 40), headers=headers)
    assert made.status_code == 200, made.text
    assert (await shop.get(f"/v1/members/{person.id}/photo")).json()["id"] == made.json()["id"]
    answer = await shop.post(f"/v1/privacy/members/{person.id}/anonymise", {"reason": "request"})
    assert answer.status_code == 200, answer.text
    assert (await shop.get(f"/v1/members/{person.id}/photo")).status_code == 404
    assert (await shop.http.get(local(made.json()["url"]))).status_code == 404
    count = await admin.fetchval("SELECT count(*) FROM photo WHERE tenant_id = $1", UUID(shop.tenant_id))
    assert (count, await used(shop, admin)) == (0, 0)


def many_scans(scans: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again: small to send, long to read."""
    buffer = BytesIO()
    Image.effect_noise((256, 256), 60).convert("RGB").save(buffer, "JPEG", progressive=True)
    content = buffer.getvalue()
    last = content.rindex(b"\xff\xda")
    end = content.rindex(b"\xff\xd9")
    return content[:end] + content[last:end] * scans + content[end:]


async def test_a_picture_of_many_scans_is_refused_before_it_is_read(shop: Shop) -> None:
    refused = await put(shop, many_scans(100))
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-photo")
    assert (await put(shop, many_scans(2))).status_code == 200


@pytest.mark.parametrize("path", ["/v1/me/photo", "/v1/company/logo"])
async def test_a_picture_that_says_nonsense_of_itself_is_a_picture(shop: Shop, path: str) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Make"
    buffer = BytesIO()
    Image.new("RGB", (64, 48), "red").save(buffer, "JPEG", exif=exif)
    for order in ("little", "big"):
        maker, length = (tag.to_bytes(2, order) + (2).to_bytes(2, order) for tag in (0x010F, 0x0101))
        odd = buffer.getvalue().replace(maker, length)
        assert b"Make" in odd
        headers = shop.headers | {"Content-Type": "image/jpeg"}
        made = await shop.http.put(path, content=odd, headers=headers)
        assert (made.status_code, made.json()["width"], made.json()["height"]) == (200, 48, 64), made.text


async def test_pictures_wait_for_each_other_and_for_nobody_else(shop: Shop) -> None:
    drawn = await asyncio.gather(*(put(shop, camera()) for _ in range(12)), shop.get("/v1/products"))
    *photos, products = drawn
    assert products.status_code == 200
    assert {answer.status_code for answer in photos} == {200, 503}
