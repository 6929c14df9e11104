"""What a list's handler takes from its query string, apart from `pages` so that background jobs load no web framework."""

from typing import Annotated

from litestar.params import QueryParameter

from app.lib.pages import MAX_LIMIT

LimitParam = Annotated[int, QueryParameter(name="limit", ge=1, le=MAX_LIMIT, description="Cuántos por página.")]
CursorParam = Annotated[str | None, QueryParameter(name="cursor", description="`nextCursor` de la página anterior.")]

"""Handlers give both their defaults: `limit: LimitParam = DEFAULT_LIMIT, cursor: CursorParam = None`."""
