"""Uploaded images drawn anew: small, and without anything that was hidden in the file (EXIF, places, comments, trailing bytes)."""

from io import BytesIO
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from PIL.Image import Image

ACCEPTED: Final[dict[str, str]] = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}
"""Media type of an upload to what its bytes must be."""
MAX_PIXELS: Final = 25_000_000
"""Of an upload; read from its header before anything is unpacked."""


class NoPicture(Exception):
    """Not an image that can be drawn. The message says why, in Spanish."""


def open_picture(content: bytes, media_type: str) -> "Image":
    """An uploaded image, RGBA and turned as its camera meant. Raises `NoPicture`; run it in a thread.

    The file must be what it says it is.
    """
    from PIL import Image, ImageOps

    kind = ACCEPTED.get(media_type)
    if kind is None:
        raise NoPicture("Envíe una imagen PNG, JPEG o WebP, con su Content-Type.")
    try:
        with Image.open(BytesIO(content), formats=[kind]) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise NoPicture("La imagen tiene demasiados puntos: redúzcala.")
            return ImageOps.exif_transpose(opened).convert("RGBA")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise NoPicture("El archivo no es una imagen PNG, JPEG o WebP que se pueda leer.") from error


def draw_jpeg(content: bytes, media_type: str, *, sides: tuple[int, ...], most: int) -> tuple[bytes, int, int]:
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
