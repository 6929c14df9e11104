"""The page at `/schema`: Swagger UI from the files of an installed package; nothing comes from elsewhere."""

from importlib.resources import files
from typing import Any, Final

from litestar import Request, Response, Router, get
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.params import FromPath

from app.lib.errors import NotFound

_START: Final = b"""window.addEventListener("load", () => {
  SwaggerUIBundle({
    url: "/schema/openapi.json",
    dom_id: "#page",
    deepLinking: true,
    filter: true,
    persistAuthorization: false,
    validatorUrl: null,
    presets: [SwaggerUIBundle.presets.apis],
  });
});
"""
_PAGE: Final = b"""<!doctype html>
<html lang="es">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Mostrador: API</title>
<link rel="icon" type="image/png" href="/schema/static/favicon-32x32.png">
<link rel="stylesheet" href="/schema/static/swagger-ui.css">
<script src="/schema/static/swagger-ui-bundle.js" defer></script>
<script src="/schema/static/start.js" defer></script>
</head>
<body><div id="page"></div></body>
</html>
"""
_TYPES: Final = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "favicon-32x32.png": "image/png",
}
_CACHE: Final = {"Cache-Control": "public, max-age=86400"}


@get("/static/{name:str}", sync_to_thread=True, include_in_schema=False)
def page_file(name: FromPath[str]) -> Response[bytes]:
    """One of the page's files. Raises `NotFound` for any other name."""
    if name == "start.js":
        return Response(_START, media_type="text/javascript; charset=utf-8", headers=_CACHE)
    if name not in _TYPES:
        raise NotFound("No hay nada en esta dirección.")
    (folder,) = files("swagger_ui_bundle").joinpath("vendor").iterdir()
    return Response(folder.joinpath(name).read_bytes(), media_type=_TYPES[name], headers=_CACHE)


class PagePlugin(OpenAPIRenderPlugin):
    """Draws the page and serves its files."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        _ = request, openapi_schema
        return _PAGE

    def receive_router(self, router: Router) -> None:
        router.register(page_file)
