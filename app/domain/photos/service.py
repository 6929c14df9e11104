"""Photos of products and of the people of a company: kept beside its other rows, as its logo is, so that one fence, one
backup and one erasure hold for all of it.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, func, insert, select
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.accounts.models import Membership
from app.domain.catalog.service.reading import ProductReading
from app.domain.photos.links import PhotoLinks
from app.domain.photos.models import Photo
from app.domain.photos.schemas import PhotoList, PhotoOut
from app.domain.tenants.limits import Resource, claim, release, take_turns
from app.lib import clock
from app.lib.errors import FieldError, NotFound, RuleBroken, TooLarge
from app.lib.pictures import NoPicture, draw_in_turn, draw_jpeg

MEDIA_TYPE: Final = "image/jpeg"
MAX_UPLOAD: Final = 8_000_000
"""Bytes: what a telephone's camera makes."""
MOST_OF_PRODUCT: Final = 8
_OF_PRODUCT: Final = (1280, 960, 640)
_OF_PERSON: Final = (512, 384, 256)
"""Longest sides in pixels."""
_MAX_KEPT: Final = 300_000
"""Bytes; the table refuses more than a third above it."""


class PhotoService:
    """Adds, lists and removes photos of the company."""

    def __init__(self, work: Work, links: PhotoLinks) -> None:
        self._work = work
        self._links = links

    async def of_product(self, product_id: UUID) -> PhotoList:
        """In the order they were added. Raises `NotFound` for an unknown product."""
        await ProductReading(self._work).find(product_id)
        rows = await self._rows(Photo.product_id == product_id)
        return PhotoList(items=[self._out(row) for row in rows], next_cursor=None)

    async def of_person(self, user_id: UUID) -> PhotoOut:
        """Raises `NotFound` without one."""
        rows = await self._rows(Photo.user_id == user_id)
        if not rows:
            raise NotFound("Esa persona no tiene foto en esta empresa.")
        return self._out(rows[0])

    async def add_to_product(self, product_id: UUID, content: bytes, media_type: str) -> PhotoOut:
        """Raises 404, 422 `invalid-photo`, `too-many-photos` or `plan-limit`."""
        await ProductReading(self._work).find(product_id)
        drawn = await _drawn(content, media_type, _OF_PRODUCT)
        await take_turns(self._work, Resource.STORAGE)
        if len(await self._rows(Photo.product_id == product_id)) >= MOST_OF_PRODUCT:
            raise RuleBroken(f"Un producto puede tener {MOST_OF_PRODUCT} fotos.", code="too-many-photos")
        await claim(self._work, Resource.STORAGE, len(drawn[0]))
        made = await self._keep(drawn, product_id=product_id)
        self._work.record("product.photo-added", product_id, after=_trail(made))
        return made

    async def put_person(self, user_id: UUID, content: bytes, media_type: str) -> PhotoOut:
        """Replaces the one before. Raises 422 `invalid-photo` or `plan-limit`, 404 for who is not of the company."""
        drawn = await _drawn(content, media_type, _OF_PERSON)
        await take_turns(self._work, Resource.STORAGE)
        # Now, and not before waiting: whoever was forgotten meanwhile gets no photo.
        if not await self._work.session.scalar(
            select(Membership.id).where(
                Membership.tenant_id == self._work.tenant_id, Membership.user_id == user_id, Membership.is_active
            )
        ):
            raise NotFound("No hay tal persona en esta empresa.")
        await self._drop(await self._rows(Photo.user_id == user_id))
        await claim(self._work, Resource.STORAGE, len(drawn[0]))
        made = await self._keep(drawn, user_id=user_id)
        self._work.record("membership.photo-changed", user_id, after=_trail(made))
        return made

    async def remove_from_product(self, photo_id: UUID) -> None:
        """Raises `NotFound`, also for a person's."""
        await take_turns(self._work, Resource.STORAGE)
        rows = await self._rows(Photo.product_id.is_not(None) & (Photo.id == photo_id))
        if not rows:
            raise NotFound("No hay tal foto de un producto.")
        await self._drop(rows)
        self._work.record("product.photo-removed", rows[0].product_id, before=_trail(self._out(rows[0])))

    async def remove_of_person(self, user_id: UUID) -> None:
        """Take a person's photo away. Again: nothing happens."""
        await forget_photo(self._work, user_id)

    async def _keep(self, drawn: tuple[bytes, int, int], **whose: UUID) -> PhotoOut:
        content, width, height = drawn
        photo_id = uuid7()
        await self._work.session.execute(
            insert(Photo).values(
                tenant_id=self._work.tenant_id,
                id=photo_id,
                content=content,
                width=width,
                height=height,
                created_at=clock.now(),
                **whose,
            )
        )
        return self._out((await self._rows(Photo.id == photo_id))[0])

    async def _rows(self, which: Any) -> Sequence[Any]:
        return await _rows(self._work, which)

    async def _drop(self, rows: Sequence[Any]) -> None:
        await _drop(self._work, rows)

    def _out(self, row: Any) -> PhotoOut:
        url, ends_at = self._links.make(self._work.tenant_id, row.id, clock.now())
        return PhotoOut(
            id=row.id,
            url=url,
            url_expires_at=ends_at,
            width=row.width,
            height=row.height,
            size=row.size,
            created_at=row.created_at,
        )


async def forget_photo(work: Work, user_id: UUID) -> None:
    """Erase a person's photo in the company of the transaction. Again: nothing happens."""
    await take_turns(work, Resource.STORAGE)
    rows = await _rows(work, Photo.user_id == user_id)
    if rows:
        await _drop(work, rows)
        work.record("membership.photo-removed", user_id)


async def photo_bytes(work: Work, photo_id: UUID) -> bytes:
    """The image. Raises `NotFound`."""
    found = await work.session.scalar(
        select(Photo.content).where(Photo.tenant_id == work.tenant_id, Photo.id == photo_id)
    )
    if found is None:
        raise NotFound("Esa foto no existe.")
    return found


async def _rows(work: Work, which: Any) -> Sequence[Any]:
    statement = (
        select(
            Photo.id,
            Photo.product_id,
            Photo.width,
            Photo.height,
            func.octet_length(Photo.content).label("size"),
            Photo.created_at,
        )
        .where(Photo.tenant_id == work.tenant_id, which)
        .order_by(Photo.created_at, Photo.id)
    )
    return (await work.session.execute(statement)).all()


async def _drop(work: Work, rows: Sequence[Any]) -> None:
    await work.session.execute(
        delete(Photo).where(Photo.tenant_id == work.tenant_id, Photo.id.in_([row.id for row in rows]))
    )
    await release(work, Resource.STORAGE, sum(row.size for row in rows))


async def _drawn(content: bytes, media_type: str, sides: tuple[int, ...]) -> tuple[bytes, int, int]:
    if len(content) > MAX_UPLOAD:
        raise TooLarge("La imagen pesa más de 8 MB.")
    try:
        return await draw_in_turn(draw_jpeg, content, media_type, sides, _MAX_KEPT)
    except NoPicture as problem:
        raise RuleBroken(
            str(problem), code="invalid-photo", errors=(FieldError("", "invalid-photo", str(problem)),)
        ) from problem


def _trail(made: PhotoOut) -> dict[str, Any]:
    """What the trail keeps: a link is nobody's business there."""
    return {"photoId": made.id, "width": made.width, "height": made.height, "size": made.size}
