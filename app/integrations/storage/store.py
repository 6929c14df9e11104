"""A store of objects named by URL, through `obstore`, which is loaded when a store is first opened.

`file:///var/lib/mostrador/respaldos`, `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`. An object exists
only once its last byte has arrived: a writer that is not closed leaves nothing that looks finished.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import unquote, urlsplit

import msgspec

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_PART_NAME: Final = re.compile(r"#\d+$")
"""How the library names a file on its way."""
_MEBIBYTE: Final = 1 << 20
_PART: Final = 8 * _MEBIBYTE
_MOST_PARTS: Final = 9_000
"""S3 takes ten thousand parts of an upload."""
_READ: Final = 2 * _MEBIBYTE
_PARTS_IN_FLIGHT: Final = 2
_SECONDS: Final = timedelta(seconds=120)
"""A request may take, a part of eight mebibytes included."""
_PATIENCE: Final = timedelta(seconds=90)
"""From the first try of a request on, another one may follow; a store that is away longer fails the backup."""


class StorageFailed(Exception):
    """The store refused, did not answer or is full: the message says which object and why."""


class ObjectMissing(StorageFailed):
    """There is no such object."""


class Stored(msgspec.Struct, frozen=True):
    """An object of the store."""

    name: str
    size: int
    """Bytes."""
    at: datetime


class Storage:
    """One store. `options` are obstore's, such as `{"endpoint": …, "access_key_id": …}`; the environment gives the rest."""

    def __init__(self, url: str, options: Mapping[str, str] | None = None) -> None:
        self.url = url
        self._store = _open(url, dict(options or {}))

    @asynccontextmanager
    async def writing(self, name: str, expected: int = 0) -> AsyncIterator["Writer"]:
        """Write an object piece by piece; it exists once the block has ended without an exception.

        `expected` bytes choose the size of the parts. Raises `StorageFailed`.
        """
        import obstore

        part = max(_PART, -(-expected // _MOST_PARTS))
        with _told(name):
            file = obstore.open_writer_async(self._store, name, buffer_size=part, max_concurrency=_PARTS_IN_FLIGHT)
        writer = Writer(name, file)
        yield writer
        with _told(name):
            await file.close()

    async def put(self, name: str, content: bytes) -> None:
        """Write a small object whole, over one of the same name. Raises `StorageFailed`."""
        import obstore

        with _told(name):
            await obstore.put_async(self._store, name, content, use_multipart=False)

    async def get(self, name: str) -> bytes:
        """A small object whole. Raises `ObjectMissing`, `StorageFailed`."""
        import obstore

        with _told(name):
            result = await obstore.get_async(self._store, name)
            return bytes(await result.bytes_async())

    async def read(self, name: str) -> AsyncIterator[bytes]:
        """An object in pieces of some mebibytes. Raises `ObjectMissing`, `StorageFailed`."""
        import obstore

        with _told(name):
            result = await obstore.get_async(self._store, name)
            async for piece in result.stream(min_chunk_size=_READ):
                yield bytes(piece)

    async def stat(self, name: str) -> Stored:
        """Raises `ObjectMissing`, `StorageFailed`."""
        import obstore

        with _told(name):
            found = await obstore.head_async(self._store, name)
        return Stored(found["path"], found["size"], found["last_modified"])

    async def names(self, prefix: str) -> list[Stored]:
        """Finished objects below a prefix, by name. Raises `StorageFailed`."""
        import obstore

        with _told(prefix):
            found = await obstore.list(self._store, prefix=prefix).collect_async()
        return sorted(
            (Stored(one["path"], one["size"], one["last_modified"]) for one in found), key=lambda one: one.name
        )

    async def delete(self, name: str) -> None:
        """Delete an object; one that is gone already is no mistake. Raises `StorageFailed`."""
        import obstore

        try:
            with _told(name):
                await obstore.delete_async(self._store, name)
        except ObjectMissing:
            return

    async def clear_parts(self, older: timedelta) -> int:
        """Delete from a folder what writers that were killed so long ago left unfinished; answers how many files.

        Other stores do it by a rule of the bucket (S3: AbortIncompleteMultipartUpload).
        """
        folder = folder_of(self.url)
        return (
            0 if folder is None else await asyncio.to_thread(_clear_parts, folder, time.time() - older.total_seconds())
        )


class Writer:
    """An object on its way."""

    def __init__(self, name: str, file: Any) -> None:
        self._name = name
        self._file = file
        self.written = 0

    async def write(self, piece: bytes) -> None:
        """Raises `StorageFailed`."""
        with _told(self._name):
            await self._file.write(piece)
        self.written += len(piece)


def folder_of(url: str) -> Path | None:
    """The folder of a `file://` URL; None for any other."""
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def _clear_parts(folder: Path, before: float) -> int:
    gone = 0
    for path in folder.rglob("*#*"):
        if _PART_NAME.search(path.name) and path.is_file() and path.stat().st_mtime < before:
            path.unlink(missing_ok=True)
            gone += 1
    return gone


def _open(url: str, options: dict[str, str]) -> "ObjectStore":
    from obstore.exceptions import BaseError
    from obstore.store import LocalStore, from_url

    try:
        folder = folder_of(url)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            return LocalStore(folder)
        if options.get("endpoint", "").startswith("http://"):
            client: dict[str, Any] = {"timeout": _SECONDS, "allow_http": True}
        else:
            client = {"timeout": _SECONDS}
        retry: Any = {"retry_timeout": _PATIENCE}
        return from_url(url, config=cast("Any", options), client_options=cast("Any", client), retry_config=retry)
    except (BaseError, OSError, ValueError) as error:
        raise StorageFailed(f"{url}: {_said(error)}") from error


class _told:  # noqa: N801 - reads as a word at `with`
    """Turns what the library raises into `StorageFailed`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None or isinstance(error, (asyncio.CancelledError, StorageFailed, GeneratorExit)):
            return
        from obstore.exceptions import BaseError

        if isinstance(error, FileNotFoundError):
            raise ObjectMissing(f"{self._name}: there is no such object") from error
        if isinstance(error, (BaseError, OSError)):
            raise StorageFailed(f"{self._name}: {_said(error)}") from error


def _said(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:500]
