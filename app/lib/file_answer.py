"""Answers that are files: with their version, so that whoever has one already is told so."""

from hashlib import sha256
from typing import Any, Literal

from litestar import Request, Response
from litestar.status_codes import HTTP_304_NOT_MODIFIED


def file_answer(
    request: Request[Any, Any, Any],
    content: bytes,
    name: str,
    media_type: str,
    *,
    shown: Literal["inline", "attachment"] = "attachment",
    digest: bytes | None = None,
) -> Response[bytes]:
    """The file with `ETag` and hash, or 304 for the version that the caller named. `name` is plain letters and digits."""
    known = (digest or sha256(content).digest()).hex()
    tag = f'"{known[:32]}"'
    headers = {"ETag": tag, "X-Content-SHA256": known, "Cache-Control": "private, no-cache"}
    wanted = {each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")}
    if tag in wanted:
        return Response(b"", status_code=HTTP_304_NOT_MODIFIED, media_type=media_type, headers=headers)
    headers["Content-Disposition"] = f'{shown}; filename="{name}"'
    return Response(content, media_type=media_type, headers=headers)
