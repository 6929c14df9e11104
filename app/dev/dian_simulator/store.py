"""What was sent: valid documents by key and UUID, batches, events. Appended to a file, so that a restart forgets nothing."""

from pathlib import Path

import msgspec

Key = tuple[str, str, str]


class Stored(msgspec.Struct, kw_only=True):
    """A valid document."""

    key: Key
    uuid: str
    date: str
    kind: str
    file: str
    xml: bytes
    response: bytes
    reference: str = ""
    """UUID of the document that it corrects or answers."""
    message: str = ""


class Batch(msgspec.Struct, kw_only=True):
    """Documents sent together."""

    files: list[tuple[str, bytes]]
    signer: list[str]
    """NITs of the certificate that sent it."""
    test_set: str = ""
    asked: int = 0
    verdicts: list[str] = []
    """Once decided: UUID or file of each document, in order."""


class Store:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "documents.jsonl"
        self.by_key: dict[Key, Stored] = {}
        self.by_uuid: dict[str, Stored] = {}
        self.batches: dict[str, Batch] = {}
        self.sent: dict[str, int] = {}
        """How often each document arrived, by UUID."""
        if self._file.exists():
            for line in self._file.read_bytes().splitlines():
                self._remember(msgspec.json.decode(line, type=Stored))

    def keep(self, stored: Stored) -> None:
        with self._file.open("ab") as file:
            file.write(msgspec.json.encode(stored) + b"\n")
        self._remember(stored)

    def clear(self) -> None:
        """Forget everything."""
        self._file.unlink(missing_ok=True)
        for each in (self.by_key, self.by_uuid, self.batches, self.sent):
            each.clear()

    def about(self, uuid: str) -> list[Stored]:
        """Notes and events of a document."""
        return [each for each in self.by_uuid.values() if each.reference == uuid]

    def _remember(self, stored: Stored) -> None:
        self.by_key[stored.key] = stored
        self.by_uuid[stored.uuid.lower()] = stored
