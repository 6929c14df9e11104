"""What DIAN knows of its taxpayers: set over HTTP by the launcher or a test."""

from datetime import date, datetime

import msgspec


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


class TestSet(msgspec.Struct, kw_only=True):
    """A set of the habilitación."""

    __test__ = False
    id: str
    nit: str
    needed: int = 50
    accepted: int = 0


class Contingency(msgspec.Struct, kw_only=True):
    """A time in which DIAN was declared away."""

    start: datetime
    end: datetime


class Acquirer(msgspec.Struct, kw_only=True):
    """A buyer with its reception mail."""

    kind: str
    number: str
    name: str
    mail: str


class Registry(msgspec.Struct, kw_only=True):
    """Everything, replaced or extended as a whole."""

    environment: str = "2"
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
        """Add what is new; what has the same key is replaced."""
        self.environment = more.environment
        self.issuers = _merged(self.issuers, more.issuers, lambda each: each.nit)
        self.software = _merged(self.software, more.software, lambda each: (each.id, each.nit))
        self.ranges = _merged(self.ranges, more.ranges, lambda each: (each.nit, each.authorization, each.prefix))
        self.test_sets = _merged(self.test_sets, more.test_sets, lambda each: each.id)
        self.contingencies += more.contingencies
        self.acquirers = _merged(self.acquirers, more.acquirers, lambda each: (each.kind, each.number))
        self.trusted += [each for each in more.trusted if each not in self.trusted]
        self.revoked += more.revoked
        self.aliases += more.aliases

    def issuer(self, nit: str) -> Issuer | None:
        return next((each for each in self.issuers if each.nit == nit), None)

    def program(self, software_id: str, nit: str) -> Software | None:
        return next((each for each in self.software if each.id == software_id and each.nit == nit), None)

    def ranges_of(self, nit: str) -> list[Range]:
        return [each for each in self.ranges if each.nit == nit]

    def is_away(self, instant: datetime) -> bool:
        return any(each.start <= instant <= each.end for each in self.contingencies)


def _merged(old: list, new: list, key) -> list:  # type: ignore[no-untyped-def, type-arg]
    found = {key(each): each for each in old}
    found.update({key(each): each for each in new})
    return list(found.values())
