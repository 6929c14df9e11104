"""Parts of the product that a plan includes, or the operator switches for one company, and until when."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

CORE: Final = "core"
"""The counter itself: no plan is without it, so nothing asks for it."""

MODULES: Final[dict[str, str]] = {
    CORE: "Mostrador: ventas, caja, catálogo, inventario y clientes",
    "imports": "Importación de archivos",
    "transfers": "Traslados entre bodegas y conteos",
    "api": "Llaves de API y avisos a otros sistemas",
    "invoicing": "Documentos electrónicos DIAN",
}
"""Module to its Spanish name. A route may only name one of these."""


class Span(msgspec.Struct, frozen=True, omit_defaults=True):
    """When a module is on; an absent end is open."""

    since: datetime | None = None
    until: datetime | None = None

    def holds(self, now: datetime) -> bool:
        return (self.since is None or self.since <= now) and (self.until is None or now < self.until)


_SPANS: Final = msgspec.json.Decoder(dict[str, Span])


def read_spans(kept: str | bytes | Mapping[str, object]) -> dict[str, Span]:
    """The modules of a company as its row keeps them, encoded or decoded already."""
    if isinstance(kept, (str, bytes)):
        return _SPANS.decode(kept)
    return msgspec.convert(kept, dict[str, Span])


def is_on(spans: Mapping[str, Span], module: str, now: datetime) -> bool:
    """Whether a company has a module at an instant."""
    span = spans.get(module)
    return module == CORE or (span is not None and span.holds(now))


def active(spans: Mapping[str, Span], now: datetime) -> list[str]:
    """Modules a company has at an instant, in the order of `MODULES`."""
    return [module for module in MODULES if is_on(spans, module, now)]
