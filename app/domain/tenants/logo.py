"""The company's logo: whatever is uploaded is drawn anew, small, without anything that was hidden in the file."""

from io import BytesIO
from typing import Final

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from app.db.session import Work
from app.domain.tenants.limits import Resource, claim, release, take_turns
from app.domain.tenants.models import CompanyLogo
from app.domain.tenants.schemas import LogoOut
from app.lib import clock
from app.lib.errors import FieldError, NotFound, RuleBroken
from app.lib.pictures import ACCEPTED, NoPicture, draw_in_turn, open_picture

MEDIA_TYPE: Final = "image/png"
MAX_UPLOAD: Final = 1_000_000
"""Bytes."""
_SIDES: Final = (512, 384, 256, 128)
"""Longest side in pixels; the first whose file is small enough is kept."""
_MAX_KEPT: Final = 120_000
"""Bytes; the table refuses twice this."""


class BadLogo(RuleBroken):
    """Not an image that can be a logo."""

    code = "invalid-logo"


async def put_logo(work: Work, content: bytes, media_type: str) -> LogoOut:
    """Keep a logo, drawn anew as PNG. Raises 422 `invalid-logo`, or `plan-limit` when the plan has no room for it."""
    drawn, width, height = await draw_in_turn(redraw, content, media_type)
    await take_turns(work, Resource.STORAGE)
    before = await find_logo(work)
    grown = len(drawn) - (before.size if before else 0)
    if grown > 0:
        await claim(work, Resource.STORAGE, grown)
    else:
        await release(work, Resource.STORAGE, -grown)
    values = {"content": drawn, "width": width, "height": height, "updated_at": clock.now()}
    await work.session.execute(
        insert(CompanyLogo)
        .values(tenant_id=work.tenant_id, **values)
        .on_conflict_do_update(index_elements=["tenant_id"], set_=values)
    )
    kept = await find_logo(work)
    assert kept is not None
    work.record("company.logo-changed", work.tenant_id, before=before, after=kept)
    return kept


async def find_logo(work: Work) -> LogoOut | None:
    """What is kept, without its bytes."""
    row = (
        await work.session.execute(
            select(
                CompanyLogo.width,
                CompanyLogo.height,
                func.octet_length(CompanyLogo.content).label("size"),
                CompanyLogo.updated_at,
            ).where(CompanyLogo.tenant_id == work.tenant_id)
        )
    ).one_or_none()
    if row is None:
        return None
    return LogoOut(media_type=MEDIA_TYPE, width=row.width, height=row.height, size=row.size, updated_at=row.updated_at)


async def logo_bytes(work: Work) -> bytes:
    """The image. Raises `NotFound` without one."""
    found = await work.session.scalar(select(CompanyLogo.content).where(CompanyLogo.tenant_id == work.tenant_id))
    if found is None:
        raise NotFound("La empresa no tiene logo.")
    return found


async def remove_logo(work: Work) -> None:
    """Take the logo away. Again: nothing happens."""
    await take_turns(work, Resource.STORAGE)
    before = await find_logo(work)
    if before is None:
        return
    await work.session.execute(delete(CompanyLogo).where(CompanyLogo.tenant_id == work.tenant_id))
    await release(work, Resource.STORAGE, before.size)
    work.record("company.logo-removed", work.tenant_id, before=before)


def redraw(content: bytes, media_type: str) -> tuple[bytes, int, int]:
    """An uploaded image as a small PNG, with its width and height. Raises `BadLogo`; run it in a thread.

    The file must be what it says it is. Its size in pixels is read from its header before anything is unpacked.
    """
    if media_type in ACCEPTED and len(content) > MAX_UPLOAD:
        raise _bad("La imagen pesa más de 1 MB.")
    try:
        picture = open_picture(content, media_type)
    except NoPicture as problem:
        raise _bad(str(problem)) from problem
    buffer = BytesIO()
    for side in _SIDES:
        picture.thumbnail((side, side))
        buffer.seek(0)
        buffer.truncate()
        picture.save(buffer, "PNG", optimize=True)
        if buffer.tell() <= _MAX_KEPT:
            break
    return buffer.getvalue(), picture.width, picture.height


def _bad(detail: str) -> BadLogo:
    return BadLogo(detail, errors=(FieldError("", BadLogo.code, detail),))
