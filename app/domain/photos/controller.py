"""HTTP face of photos."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, delete, get, post, put
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED, HTTP_304_NOT_MODIFIED

from app.db.session import Database, Work
from app.domain.photos.links import PhotoLinks
from app.domain.photos.schemas import PhotoList, PhotoOut
from app.domain.photos.service import MEDIA_TYPE, PhotoService, photo_bytes
from app.lib import clock
from app.lib.access import requires
from app.lib.errors import NotFound
from app.lib.etag import tag_of
from app.lib.pictures import ACCEPTED

ExpiresParam = Annotated[
    int, QueryParameter(name="expires", ge=0, le=2**40, description="Fin del enlace, en segundos.")
]
SignatureParam = Annotated[str, QueryParameter(name="signature", max_length=64, description="Firma del enlace.")]
_UPLOAD = {"accepts_file": list(ACCEPTED)}


def provide_photos(work: NamedDependency[Work]) -> PhotoService:
    return PhotoService(work, PhotoLinks(work.database.settings))


class PhotoController(Controller):
    path = ""
    tags = ["Fotos"]
    dependencies = {"photos": Provide(provide_photos, sync_to_thread=False)}

    @get("/products/{product_id:uuid}/photos", operation_id="ListProductPhotos", guards=[requires("products:read")])
    async def list_of_product(self, product_id: FromPath[UUID], photos: NamedDependency[PhotoService]) -> PhotoList:
        """Las fotos de un producto, con enlaces que vencen."""
        return await photos.of_product(product_id)

    @post(
        "/products/{product_id:uuid}/photos",
        operation_id="AddProductPhoto",
        guards=[requires("products:write", heavy=True)],
        opt=_UPLOAD,
        status_code=HTTP_201_CREATED,
    )
    async def add_to_product(
        self, request: Request[Any, Any, Any], product_id: FromPath[UUID], photos: NamedDependency[PhotoService]
    ) -> PhotoOut:
        """Agrega una foto: el cuerpo es una imagen PNG, JPEG o WebP de hasta 8 MB; se guarda reducida y sin metadatos."""
        return await photos.add_to_product(product_id, await request.body(), _media_type(request))

    @delete("/photos/{photo_id:uuid}", operation_id="RemoveProductPhoto", guards=[requires("products:write")])
    async def remove_from_product(self, photo_id: FromPath[UUID], photos: NamedDependency[PhotoService]) -> None:
        """Borra una foto de un producto."""
        await photos.remove_from_product(photo_id)

    @get("/me/photo", operation_id="GetMyPhoto", guards=[requires(None)])
    async def get_mine(self, work: NamedDependency[Work], photos: NamedDependency[PhotoService]) -> PhotoOut:
        """Su foto en esta empresa, con un enlace que vence."""
        return await photos.of_person(work.actor.user_id)

    @put(
        "/me/photo",
        operation_id="PutMyPhoto",
        guards=[requires(None, heavy=True)],
        opt=_UPLOAD,
        status_code=HTTP_200_OK,
    )
    async def put_mine(
        self, request: Request[Any, Any, Any], work: NamedDependency[Work], photos: NamedDependency[PhotoService]
    ) -> PhotoOut:
        """Pone su foto en esta empresa: el cuerpo es una imagen PNG, JPEG o WebP de hasta 8 MB."""
        return await photos.put_person(work.actor.user_id, await request.body(), _media_type(request))

    @delete("/me/photo", operation_id="RemoveMyPhoto", guards=[requires(None)])
    async def remove_mine(self, work: NamedDependency[Work], photos: NamedDependency[PhotoService]) -> None:
        """Borra su foto en esta empresa."""
        await photos.remove_of_person(work.actor.user_id)

    @get("/members/{user_id:uuid}/photo", operation_id="GetMemberPhoto", guards=[requires("members:read")])
    async def get_member(self, user_id: FromPath[UUID], photos: NamedDependency[PhotoService]) -> PhotoOut:
        """La foto de una persona de la empresa, con un enlace que vence."""
        return await photos.of_person(user_id)


@get(
    "/public/photos/{tenant_id:uuid}/{photo_id:uuid}",
    operation_id="ReadPhoto",
    tags=["Fotos"],
    media_type=MEDIA_TYPE,
    opt={"answers_file": [MEDIA_TYPE]},
)
async def read_photo(
    request: Request[Any, Any, Any],
    tenant_id: FromPath[UUID],
    photo_id: FromPath[UUID],
    expires: ExpiresParam,
    signature: SignatureParam,
) -> Response[bytes]:
    """Una foto, por su enlace firmado; no hace falta iniciar sesión."""
    database: Database = request.app.state.database
    now = clock.now()
    if not PhotoLinks(database.settings).holds(tenant_id, photo_id, expires, signature, now):
        raise NotFound("El enlace no existe o ya venció.")
    async with database.job_transaction(tenant_id) as work:
        content = await photo_bytes(work, photo_id)
    tag = tag_of(content)
    headers = {
        "ETag": tag,
        "Cache-Control": f"private, max-age={max(0, expires - int(now.timestamp()))}, immutable",
        "Content-Disposition": "inline",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    if tag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=HTTP_304_NOT_MODIFIED, headers=headers)
    return Response(content, media_type=MEDIA_TYPE, headers=headers)


def _media_type(request: Request[Any, Any, Any]) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
