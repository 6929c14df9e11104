"""Uploaded images drawn anew: small, and without anything that was hidden in the file (EXIF, places, comments, trailing bytes)."""

from collections.abc import Callable
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Final, TypeVar

from app.lib.threads import BoundedThreads

if TYPE_CHECKING:
    from PIL.Image import Image

ACCEPTED: Final[dict[str, str]] = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}
"""Media type of an upload to what its bytes must be."""
MAX_PIXELS: Final = 25_000_000
"""Of an upload; read from its header before anything is unpacked."""

_MOST_SCANS: Final = 64
"""Of a JPEG. Cameras write one, progressive files about ten; each costs a pass over the whole picture."""
_SCAN: Final = b"\xff\xda"
_LONGEST_QUEUE: Final = 3
_ORIENTATION: Final = 0x0112
"""Tag of EXIF: how the camera was held."""

_Result = TypeVar("_Result")


class NoPicture(Exception):
    """Not an image that can be drawn. The message says why, in Spanish."""


@cache
def _drawing() -> BoundedThreads:
    return BoundedThreads(
        "pictures",
        at_once=1,
        longest_queue=_LONGEST_QUEUE,
        refusal="Se están recibiendo muchas imágenes a la vez; intente de nuevo.",
    )


async def draw_in_turn(draw: Callable[..., _Result], *arguments: object) -> _Result:
    """Draw off the event loop, one picture at a time. Raises `Unavailable` when a few wait already."""
    return await _drawing().run(draw, *arguments)


def open_picture(content: bytes, media_type: str) -> "Image":
    """An uploaded image, RGBA and turned as its camera meant. Raises `NoPicture`; run it in a thread.

    The file must be what it says it is.
    """
    from PIL import Image

    kind = ACCEPTED.get(media_type)
    if kind is None:
        raise NoPicture("Envíe una imagen PNG, JPEG o WebP, con su Content-Type.")
    if kind == "JPEG" and content.count(_SCAN) > _MOST_SCANS:
        raise NoPicture("La imagen está guardada de una forma que no se acepta: guárdela de nuevo como JPEG sencillo.")
    try:
        with Image.open(BytesIO(content), formats=[kind]) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise NoPicture("La imagen tiene demasiados puntos: redúzcala.")
            return _turned(opened, opened.getexif().get(_ORIENTATION))
    except (NoPicture, MemoryError):
        raise
    except Exception as error:
        # Decoders meet hostile files with whatever comes: struct.error, TypeError, KeyError, …
        raise NoPicture("El archivo no es una imagen PNG, JPEG o WebP que se pueda leer.") from error


def _turned(opened: "Image", orientation: object) -> "Image":
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    picture = opened.convert("RGBA")
    turn = turns.get(orientation) if isinstance(orientation, int) else None
    return picture if turn is None else picture.transpose(turn)


def draw_jpeg(content: bytes, media_type: str, sides: tuple[int, ...], most: int) -> tuple[bytes, int, int]:
    """An uploaded image as JPEG with its width and height, at the first of the longest sides that takes `most` bytes or less.

    What is transparent becomes white. Raises `NoPicture`; run it in a thread.
    """
    from PIL import Image

    turned = open_picture(content, media_type)
    turned.thumbnail((sides[0], sides[0]))
    picture = Image.new("RGB", turned.size, "white")
    picture.paste(turned, mask=turned.getchannel("A"))
    buffer = BytesIO()
    for side in sides:
        picture.thumbnail((side, side))
        buffer.seek(0)
        buffer.truncate()
        picture.save(buffer, "JPEG", quality=82, optimize=True)
        if buffer.tell() <= most:
            return buffer.getvalue(), picture.width, picture.height
    raise NoPicture("La imagen es demasiado compleja para guardarla: use otra.")
