"""What DIAN knows of its taxpayers: set over HTTP by whoever runs it, and kept over a restart."""

from collections.abc import Callable, Hashable
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

_Entry = TypeVar("_Entry")


class Issuer(msgspec.Struct, kw_only=True):
    """A company that may issue."""

    nit: str
    name: str = ""
    """Of the RUT; empty is not compared."""
    mail: str = ""
    """Registered for reception; empty is not compared."""


class Software(msgspec.Struct, kw_only=True):
    """A program registered by a company, its own or a provider's."""

    id: str
    nit: str
    pin: str
    provider_nit: str = ""
    """Who owns it; the company itself when empty."""
    is_active: bool = True


class Range(msgspec.Struct, kw_only=True):
    """A numbering authorisation."""

    nit: str
    authorization: str
    prefix: str
    first: int
    last: int
    valid_from: date
    valid_to: date
    technical_key: str = ""
    software_id: str = ""
    """The program it is associated to; any of the company's when empty."""
    kinds: list[str] = []
    """Types of document it numbers, such as 01 or 20; any when empty."""


class TestSet(msgspec.Struct, kw_only=True):
    """A set of the habilitación."""

    __test__ = False
    id: str
    nit: str
    needed: int = 50
    """Valid documents altogether."""
    needed_by_kind: dict[str, int] = {}
    """And at least so many of a type, such as `{"01": 30, "91": 10, "92": 10}`."""
    accepted_by_kind: dict[str, int] = {}

    @property
    def accepted(self) -> int:
        return sum(self.accepted_by_kind.values())

    @property
    def is_accepted(self) -> bool:
        enough = all(self.accepted_by_kind.get(kind, 0) >= count for kind, count in self.needed_by_kind.items())
        return enough and self.accepted >= self.needed

    def count(self, kind: str) -> None:
        self.accepted_by_kind[kind] = self.accepted_by_kind.get(kind, 0) + 1


class Contingency(msgspec.Struct, kw_only=True):
    """A time in which DIAN was declared away."""

    start: Annotated[datetime, Meta(tz=True)]
    end: Annotated[datetime, Meta(tz=True)]


class Acquirer(msgspec.Struct, kw_only=True):
    """A buyer with its reception mail."""

    kind: str
    number: str
    name: str
    mail: str


class Registry(msgspec.Struct, kw_only=True):
    """Everything, replaced or extended as a whole."""

    environment: str = "2"
    days_late: int = 0
    """Days after its date that a document may still arrive; the annex wants it on the same day."""
    issuers: list[Issuer] = []
    software: list[Software] = []
    ranges: list[Range] = []
    test_sets: list[TestSet] = []
    contingencies: list[Contingency] = []
    acquirers: list[Acquirer] = []
    trusted: list[str] = []
    """Roots and subordinates in PEM, besides the simulator's own."""
    revoked: list[str] = []
    """Serial numbers, in decimal."""
    aliases: list[str] = []
    """Addresses it may be called by, besides the one it listens at."""

    def add(self, more: "Registry") -> None:
        """Add to the lists; what has the same key is replaced. Environment and lateness stay."""
        self.issuers = _merged(self.issuers, more.issuers, lambda each: each.nit)
        self.software = _merged(self.software, more.software, lambda each: (each.id, each.nit))
        self.ranges = _merged(self.ranges, more.ranges, lambda each: (each.nit, each.authorization, each.prefix))
        self.test_sets = _merged(self.test_sets, more.test_sets, lambda each: each.id)
        self.contingencies += more.contingencies
        self.acquirers = _merged(self.acquirers, more.acquirers, lambda each: (each.kind, each.number))
        self.trusted += [each for each in more.trusted if each not in self.trusted]
        self.revoked += [each for each in more.revoked if each not in self.revoked]
        self.aliases += [each for each in more.aliases if each not in self.aliases]

    def save(self, folder: Path) -> None:
        unfinished = folder / "registry.part"
        unfinished.write_bytes(msgspec.json.encode(self))
        unfinished.rename(folder / "registry.json")

    @classmethod
    def load(cls, folder: Path) -> "Registry":
        """That of the folder; an empty one at first."""
        file = folder / "registry.json"
        return msgspec.json.decode(file.read_bytes(), type=cls) if file.exists() else cls()

    def issuer(self, nit: str) -> Issuer | None:
        return next((each for each in self.issuers if each.nit == nit), None)

    def program(self, software_id: str, nit: str) -> Software | None:
        return next((each for each in self.software if each.id == software_id and each.nit == nit), None)

    def ranges_of(self, nit: str) -> list[Range]:
        return [each for each in self.ranges if each.nit == nit]

    def test_set(self, identity: str) -> TestSet | None:
        return next((each for each in self.test_sets if each.id == identity), None)

    def is_away(self, instant: datetime) -> bool:
        return any(each.start <= instant <= each.end for each in self.contingencies)


def _merged(old: list[_Entry], new: list[_Entry], key: Callable[[_Entry], Hashable]) -> list[_Entry]:
    found = {key(each): each for each in old}
    found.update({key(each): each for each in new})
    return list(found.values())
