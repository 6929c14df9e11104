"""Bodies made at random within what their structs allow."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

from msgspec import Struct
from polyfactory.factories.base import BaseFactory
from polyfactory.factories.msgspec_factory import MsgspecFactory

from app.domain.sales.schemas import (
    HoldTicket,
    Payment,
    PostReturn,
    PostSale,
    PostSaleLine,
    Refund,
    ReturnLine,
    VoidSale,
)
from app.lib.money import Exact, SomePesos, SomeUnits, ZeroOrMorePesos, ZeroOrMorePrice

_Body = TypeVar("_Body", bound=Struct)


class BodyFactory(MsgspecFactory[_Body]):
    """Knows our exact numbers; the rest is read off the struct."""

    __is_base_factory__ = True

    @classmethod
    def get_provider_map(cls) -> dict[Any, Callable[[], Any]]:
        def exact(kind: type[Exact]) -> Callable[[], Exact]:
            least = 0 if kind.ZERO else 1
            return lambda: kind(Decimal(cls.__random__.randint(least, 10**9)).scaleb(-kind.SCALE))

        kinds = (SomePesos, SomeUnits, ZeroOrMorePesos, ZeroOrMorePrice)
        return {
            **super().get_provider_map(),
            **{kind: exact(kind) for kind in kinds},
        }


def factory_of(body: type[_Body]) -> type[BaseFactory[_Body]]:
    """A factory of this body; instants are left out, a factory's zones are not RFC 3339."""
    absent = {"sold_at": None} if "sold_at" in body.__struct_fields__ else {}
    return BodyFactory.create_factory(body, **absent)


COUNTER = (PostSale, PostSaleLine, Payment, PostReturn, ReturnLine, Refund, VoidSale, HoldTicket)
"""Bodies of the counter."""
