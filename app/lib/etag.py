"""Versions of single resources: the tag is the hash of the answer, so it changes exactly when the answer does."""

from hashlib import sha256
from typing import Any

from litestar.connection import ASGIConnection

from app.lib.errors import PreconditionFailed
from app.lib.schemas import JSON, Output


def tag_of(body: bytes) -> str:
    """Strong `ETag` of an encoded answer."""
    return f'"{sha256(body).hexdigest()[:32]}"'


def check_if_match(connection: ASGIConnection[Any, Any, Any, Any], current: Output) -> None:
    """Raise 412 when `If-Match` names another version than the current one."""
    wanted = connection.headers.get("if-match")
    if wanted is None or wanted.strip() == "*":
        return
    if tag_of(JSON.encode(current)) not in {tag.strip().removeprefix("W/") for tag in wanted.split(",")}:
        raise PreconditionFailed("Alguien lo cambió mientras tanto; vuelva a leerlo antes de guardar.")
