"""What the API acknowledged, on disk: written by the seller, which nobody kills, and read by the suite as it grows."""

import asyncio
import os
from pathlib import Path
from typing import Literal

import msgspec

Kind = Literal["sale", "return", "sign-up"]


class Acknowledged(msgspec.Struct, frozen=True, kw_only=True):
    """One write that was answered 2xx."""

    at: float
    """`time.monotonic()` of the answer; one clock for every process of the machine."""
    shop: int
    kind: Kind
    id: str
    """As the server named it."""
    key: str
    """The Idempotency-Key, or the address of a sign-up."""
    total: str = "0"
    method: str = ""
    lines: list[tuple[int, int]] = []
    """Place of the product in the shop's list, and units."""
    milliseconds: float
    """From the first byte of the first try to the last of the answer."""
    tries: int


class Product(msgspec.Struct, frozen=True):
    id: str
    price: int
    """Pesos, taxes included."""


class ShopRecord(msgspec.Struct, kw_only=True):
    """A shop of the load, as much as its books are checked against."""

    tenant: str
    email: str
    password: str
    session: str
    opening: int
    """Pesos in the drawer at its opening."""
    stock: int
    """Units of each product at the beginning."""
    products: list[Product]


class Summary(msgspec.Struct, kw_only=True):
    """What a seller says when it stops."""

    wrong: list[str]
    """Answers that no crash explains: refusals, other totals, another sale for the same key."""
    interrupted: dict[str, int]
    """Tries that had to be repeated, by status or by what became of the connection."""
    again: int
    """Finished requests that were sent once more and got the stored answer."""


class Writer:
    """Appends and makes sure that it is on disk, many lines with one fsync."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._waiting: list[bytes] = []
        self._turn = asyncio.Lock()

    async def add(self, entry: Acknowledged) -> None:
        """Return once the line is on disk."""
        line = msgspec.json.encode(entry) + b"\n"
        self._waiting.append(line)
        async with self._turn:
            if not self._waiting:
                return
            lines, self._waiting = b"".join(self._waiting), []
            await asyncio.to_thread(self._append, lines)

    def _append(self, lines: bytes) -> None:
        os.write(self._file, lines)
        os.fsync(self._file)


class Reader:
    """The ledger so far; `refresh` takes in what came since."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self.entries: list[Acknowledged] = []

    def refresh(self) -> int:
        """How many lines there are now."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._read)
                lines, newline, _ = file.read().rpartition(b"\n")
            self._read += len(lines) + len(newline)
            self.entries += [msgspec.json.decode(line, type=Acknowledged) for line in lines.splitlines()]
        return len(self.entries)
