"""The OpenAPI document and its page: made when first asked for, never at start-up."""

from typing import Any

from litestar import Litestar, Request
from litestar.enums import OpenAPIMediaType
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, License, SecurityScheme

from app import __version__
from app.lib.openapi.document import complete
from app.lib.openapi.page import PagePlugin
from app.lib.schemas import JSON
from app.settings import Settings

_KEPT = "openapi_document"


def openapi_config(_settings: Settings) -> OpenAPIConfig:
    """Title, version, login and the pages of the document."""
    return OpenAPIConfig(
        title="Mostrador",
        version=__version__,
        description=(
            "Punto de venta para comercios colombianos. Los valores en dinero y las cantidades son textos "
            '(`"34900.00"`); los instantes, RFC 3339 en UTC; los errores, `application/problem+json`.'
        ),
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        path="/schema",
        components=Components(
            security_schemes={"bearer": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")}
        ),
        security=[{"bearer": []}],
        use_handler_docstrings=True,
        render_plugins=[PagePlugin(path="/"), _DocumentPlugin()],
    )


def document_of(app: Litestar) -> bytes:
    """The whole document as JSON; made once."""
    kept: bytes | None = app.state.get(_KEPT)
    if kept is None:
        kept = JSON.encode(complete(app.openapi_schema.to_schema(), app.routes))
        app.state[_KEPT] = kept
    return kept


class _DocumentPlugin(JsonRenderPlugin):
    """Serves the completed document instead of the framework's draft."""

    def __init__(self) -> None:
        super().__init__(path="/openapi.json", media_type=OpenAPIMediaType.OPENAPI_JSON)

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        _ = openapi_schema
        return document_of(request.app)
