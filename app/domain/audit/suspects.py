"""Telling what happened to entries that are not what was written: changed, put in, or moved to another place.

The place is part of each entry's hash. An entry that was moved can still be computed at the place it came from; one whose
neighbour lies is computed from what the neighbour was. Only what fits nowhere was changed.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from app.domain.audit.schemas import Break
from app.lib.audit import AuditKeys

MOST: Final = 48
"""Entries remembered for this; each is tried at the places of all others."""


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """An entry as it stands in the table."""

    seq: int
    id: object
    number: int
    content: str
    hash: bytes


class Suspect(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that does not follow from the one before it."""

    link: Link
    place: int
    """Where it stands, without what was put in or taken out before it."""
    previous: bytes
    """Hash that stands before it."""


class Suspects:
    """Entries that did not fit, until it is known why."""

    def __init__(self, compute: Callable[[Link, bytes, int], bytes], tell: Callable[[Break], None]) -> None:
        self._compute = compute
        self._tell = tell
        self._held: list[Suspect] = []

    def add(self, suspect: Suspect) -> None:
        """Remember one; with too many, the oldest is told as changed."""
        self._held.append(suspect)
        if len(self._held) > MOST:
            self._tell(_changed(self._held.pop(0)))

    def put_in(self, count: int, following: Link, place: int) -> bool:
        """Whether the last `count` are not of the chain, when the entry behind them follows from the one before them.

        Not when one of them follows from that entry in turn: then they only changed places.
        """
        strangers = self._held[-count:]
        if any(self._compute(one.link, following.hash, place + 1) == one.link.hash for one in strangers):
            return False
        for suspect in strangers:
            self._tell(_break(suspect, "inserted", "La entrada fue puesta después: la cadena sigue sin ella."))
        del self._held[-count:]
        return True

    def orphan(self) -> None:
        """The last one follows an entry that was taken out: nobody can say more of it."""
        suspect = self._held.pop()
        detail = "Falta la entrada anterior: no se puede comprobar que esta siga igual."
        self._tell(_break(suspect, "unknown", detail))

    def settle(self) -> None:
        """Tell what happened to those still held."""
        hashes = {suspect.link.hash for suspect in self._held} | {suspect.previous for suspect in self._held}
        # An entry of which only the hash was changed still says what stood before its neighbour.
        hashes |= {self._compute(suspect.link, suspect.previous, suspect.place) for suspect in self._held}
        places = sorted({suspect.place for suspect in self._held})
        for suspect in self._held:
            origin = self._origin(suspect, places, hashes)
            if origin is None:
                self._tell(_changed(suspect))
            elif origin != suspect.place:
                self._tell(_break(suspect, "moved", f"La entrada está en el lugar de otra: era la {origin}."))
        self._held.clear()

    def _origin(self, suspect: Suspect, places: list[int], hashes: set[bytes]) -> int | None:
        for place in [suspect.place, *(other for other in places if other != suspect.place)]:
            if any(self._compute(suspect.link, before, place) == suspect.link.hash for before in hashes):
                return place
        return None


def _changed(suspect: Suspect) -> Break:
    return _break(suspect, "changed", "La entrada no es la que se escribió.")


def _break(suspect: Suspect, kind: str, detail: str) -> Break:
    link = suspect.link
    return msgspec.convert(
        {"kind": kind, "seq": link.seq, "lastSeq": link.seq, "entryId": link.id, "detail": detail}, Break
    )


def computing(keys: AuditKeys, tenant_id: object) -> Callable[[Link, bytes, int], bytes]:
    """The hash that an entry would have at a place, after a hash."""

    def compute(link: Link, before: bytes, place: int) -> bytes:
        return keys.link(tenant_id, link.id, before, place, link.number, link.content)  # type: ignore[arg-type]

    return compute
