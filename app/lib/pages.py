"""Keyset pages: `?limit=` and `?cursor=`, stable under inserts."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import Select, SQLColumnExpression, tuple_

from app.lib.errors import FieldError, Malformed

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 200

_Row = TypeVar("_Row")
_Key = TypeVar("_Key")


def encode_cursor(key: Sequence[Any]) -> str:
    """A page's last key as an opaque, URL-safe text."""
    return base64.urlsafe_b64encode(msgspec.json.encode(list(key))).decode().rstrip("=")


def decode_cursor(cursor: str, shape: type[_Key]) -> _Key:
    """Read a cursor back into `shape`, a tuple type. Raises 400 for anything we did not write."""
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        return msgspec.json.decode(raw, type=shape)
    except (binascii.Error, msgspec.MsgspecError, ValueError) as error:
        raise Malformed(
            "El cursor no es válido.",
            errors=(FieldError("/cursor", "invalid-cursor", "No es un cursor de esta lista."),),
        ) from error


def after(
    statement: Select[*tuple[Any, ...]],
    columns: Sequence[SQLColumnExpression[Any]],
    cursor: str | None,
    shape: type[Any],
    *,
    descending: bool,
) -> Select[*tuple[Any, ...]]:
    """Order by the key columns and begin behind the cursor; the last column must be unique."""
    if cursor is not None:
        key = tuple_(*columns)
        last = tuple_(*decode_cursor(cursor, shape))
        statement = statement.where(key < last if descending else key > last)
    return statement.order_by(*(column.desc() if descending else column.asc() for column in columns))


def cut(rows: Sequence[_Row], limit: int, key: Callable[[_Row], Sequence[Any]]) -> tuple[Sequence[_Row], str | None]:
    """Split `limit + 1` fetched rows into the page and the cursor of the next one."""
    if len(rows) <= limit:
        return rows, None
    page = rows[:limit]
    return page, encode_cursor(key(page[-1]))
