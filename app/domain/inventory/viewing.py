"""What of an answer its reader may see."""

from typing import Any, Final, TypeVar

import msgspec

from app.lib.actor import Actor
from app.lib.schemas import Output

_Answer = TypeVar("_Answer", bound=Output)
_COSTS: Final = frozenset(
    {
        "unit_cost",
        "average_cost",
        "value",
        "balance_value",
        "transit_value",
        "lost_value",
        "expected_value",
        "difference_value",
        "surplus_value",
        "shortage_value",
    }
)
_LISTS: Final = frozenset({"items", "lines", "arrivals"})


def shown(answer: _Answer, actor: Actor) -> _Answer:
    """The answer as its reader may see it: costs are null without the permission for them."""
    if actor.may("costs:read"):
        return answer
    changes: dict[str, Any] = {}
    for field in answer.__struct_fields__:
        if field in _COSTS:
            changes[field] = None
        elif field in _LISTS:
            changes[field] = [shown(item, actor) for item in getattr(answer, field)]
    return msgspec.structs.replace(answer, **changes)
