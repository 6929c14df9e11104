"""What was sent: valid documents, rejections, batches, arrivals. Written to a journal, so that a restart forgets nothing."""

from pathlib import Path

import msgspec

from app.dev.dian_simulator.replies import Verdict

Key = tuple[str, str, str]


class Stored(msgspec.Struct, kw_only=True, tag="valid"):
    """A valid document."""

    key: Key
    uuid: str
    date: str
    kind: str
    file: str = ""
    xml: bytes = b""
    """Nothing of a document of elsewhere that was only registered."""
    response: bytes = b""
    reference: str = ""
    """UUID of the document that it corrects or answers."""
    concept: str = ""
    """Of an event: 030 to 034."""
    message: str = ""


class Rejected(msgspec.Struct, kw_only=True, tag="rejected"):
    """The last rejection of a document, until it is valid."""

    uuid: str
    number: str
    verdict: Verdict


class Batch(msgspec.Struct, kw_only=True, tag="batch"):
    """Documents sent together."""

    id: str
    files: list[tuple[str, bytes]]
    signer: list[str]
    """NITs of the certificate that sent it."""
    test_set: str = ""
    asked: int = 0
    verdicts: list[Verdict] = []
    """Once decided, in the order of the files."""


class Arrival(msgspec.Struct, tag="arrival"):
    """A document arrived, whatever became of it."""

    uuid: str


_Entry = Stored | Rejected | Batch | Arrival


class Store:
    """Everything in memory; `folder` holds the journal."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "journal.jsonl"
        self.by_key: dict[Key, Stored] = {}
        self.by_uuid: dict[str, Stored] = {}
        self.rejected: dict[str, Rejected] = {}
        self.batches: dict[str, Batch] = {}
        self.sent: dict[str, int] = {}
        """How often each document arrived, by UUID."""
        self._read()

    def keep(self, entry: _Entry) -> None:
        """Write and remember; a batch replaces its earlier state."""
        with self._file.open("ab") as file:
            file.write(msgspec.json.encode(entry) + b"\n")
        self._remember(entry)

    def clear(self) -> None:
        """Forget everything."""
        self._file.unlink(missing_ok=True)
        for each in (self.by_key, self.by_uuid, self.rejected, self.batches, self.sent):
            each.clear()

    def valid(self, uuid: str) -> Stored | None:
        return self.by_uuid.get(uuid.lower())

    def about(self, uuid: str) -> list[Stored]:
        """Notes and events of a document."""
        return [each for each in self.by_uuid.values() if each.reference.lower() == uuid.lower()]

    def _read(self) -> None:
        if not self._file.exists():
            return
        whole = 0
        for line in self._file.read_bytes().splitlines(keepends=True):
            # A kill in the middle of a write leaves a piece of a line at the end: that entry was never answered.
            if not line.endswith(b"\n"):
                break
            self._remember(msgspec.json.decode(line, type=_Entry))
            whole += len(line)
        with self._file.open("ab") as file:
            file.truncate(whole)

    def _remember(self, entry: _Entry) -> None:
        match entry:
            case Stored():
                self.by_key[entry.key] = entry
                self.by_uuid[entry.uuid.lower()] = entry
                self.rejected.pop(entry.uuid.lower(), None)
            case Rejected():
                self.rejected[entry.uuid.lower()] = entry
            case Batch():
                self.batches[entry.id] = entry
            case Arrival():
                self.sent[entry.uuid] = self.sent.get(entry.uuid, 0) + 1
