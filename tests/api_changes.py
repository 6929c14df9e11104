"""What in a new OpenAPI document breaks a client that was written against the old one.

A request may only become easier to make, an answer may only say more: our bodies refuse unknown fields, so that a field
that is gone from a request breaks whoever sends it.
"""

from collections.abc import Iterator
from typing import Any, Final, Literal

Node = dict[str, Any]
Way = Literal["request", "answer"]

_METHODS: Final = ("get", "post", "put", "patch", "delete")
_FLOORS: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_CEILINGS: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")


def breaking(old: Node, new: Node) -> list[str]:
    """One sentence for each break, in the order of the old document; empty when every old client goes on working."""
    found: list[str] = []
    for path, item in old["paths"].items():
        for method in _METHODS:
            if method not in item:
                continue
            place = f"{method.upper()} {path}"
            other = new["paths"].get(path, {}).get(method)
            if other is None:
                found.append(f"{place}: is gone")
            else:
                found += _operation(place, item[method], other, old, new)
    return found


def _operation(place: str, old: Node, new: Node, was: Node, now: Node) -> Iterator[str]:
    if old["operationId"] != new["operationId"]:
        yield f"{place}: is named {new['operationId']}, was {old['operationId']}"
    if _is_open(old, was) and not _is_open(new, now):
        yield f"{place}: asks for a login"
    yield from _parameters(place, _named(old, was), _named(new, now), was, now)
    yield from _request(place, old.get("requestBody"), new.get("requestBody"), was, now)
    for status, answer in old["responses"].items():
        if status >= "4":
            continue
        other = new["responses"].get(status)
        if other is None:
            yield f"{place}: no longer answers {status}"
            continue
        yield from _content(f"{place} {status}", _followed(answer, was), _followed(other, now), was, now)


def _is_open(operation: Node, document: Node) -> bool:
    asked = operation.get("security", document.get("security", []))
    return not asked or {} in asked


def _named(operation: Node, document: Node) -> dict[tuple[str, str], Node]:
    found = [_followed(parameter, document) for parameter in operation.get("parameters", [])]
    return {(parameter["in"], parameter["name"]): parameter for parameter in found}


def _parameters(
    place: str, old: dict[tuple[str, str], Node], new: dict[tuple[str, str], Node], was: Node, now: Node
) -> Iterator[str]:
    for key, parameter in new.items():
        if parameter.get("required") and not old.get(key, {}).get("required"):
            yield f"{place}: needs the {key[0]} parameter {key[1]}"
    for key, parameter in old.items():
        if key not in new:
            yield f"{place}: takes no {key[0]} parameter {key[1]}"
        else:
            yield from _schema(f"{place} {key[1]}", parameter["schema"], new[key]["schema"], "request", was, now, ())


def _request(place: str, old: Node | None, new: Node | None, was: Node, now: Node) -> Iterator[str]:
    if old is None:
        if new is not None and new.get("required"):
            yield f"{place}: needs a body"
        return
    if new is None:
        yield f"{place}: takes no body"
        return
    if new.get("required") and not old.get("required"):
        yield f"{place}: needs a body"
    for kind, content in old["content"].items():
        if kind not in new["content"]:
            yield f"{place}: takes no {kind}"
        else:
            yield from _schema(
                f"{place} body", content["schema"], new["content"][kind]["schema"], "request", was, now, ()
            )


def _content(place: str, old: Node, new: Node, was: Node, now: Node) -> Iterator[str]:
    for kind, content in old.get("content", {}).items():
        if kind not in new.get("content", {}):
            yield f"{place}: answers no {kind}"
        elif "schema" in content:
            other = new["content"][kind]
            yield from _schema(f"{place} body", content["schema"], other.get("schema", {}), "answer", was, now, ())


def _schema(place: str, old: Node, new: Node, way: Way, was: Node, now: Node, above: tuple[str, ...]) -> Iterator[str]:
    step = f"{old.get('$ref')} {new.get('$ref')}"
    if "$ref" in old and step in above:
        return
    above = (*above, step)
    old, new = _followed(old, was), _followed(new, now)
    yield from _kinds(place, _types(old, was), _types(new, now), way)
    yield from _limits(place, old, new, way)
    mine, others = old.get("properties", {}), new.get("properties", {})
    required, wanted = set(old.get("required", ())), set(new.get("required", ()))
    for name in mine:
        if name not in others:
            yield f"{place}/{name}: is gone"
        else:
            yield from _schema(f"{place}/{name}", mine[name], others[name], way, was, now, above)
    if way == "request":
        yield from (f"{place}/{name}: is compulsory" for name in sorted(wanted - required))
    else:
        yield from (f"{place}/{name}: may be missing" for name in sorted((required - wanted) & others.keys()))
    if "items" in old and "items" in new:
        yield from _schema(f"{place}[]", old["items"], new["items"], way, was, now, above)
    for before, after in _pairs(old, new, was, now):
        yield from _schema(place, before, after, way, was, now, above)


def _pairs(old: Node, new: Node, was: Node, now: Node) -> Iterator[tuple[Node, Node]]:
    """Choices of both that are of one kind, with their insides to compare."""
    others = {_kind(choice, now): choice for choice in (*new.get("anyOf", ()), *new.get("oneOf", ()))}
    for choice in (*old.get("anyOf", ()), *old.get("oneOf", ())):
        if (other := others.get(_kind(choice, was))) is not None:
            yield choice, other


def _kind(schema: Node, document: Node) -> str:
    return str(_followed(schema, document).get("type"))


def _types(schema: Node, document: Node) -> frozenset[str]:
    """Kinds of values; empty for anything at all."""
    choices = (*schema.get("anyOf", ()), *schema.get("oneOf", ()))
    if choices:
        return frozenset().union(*(_types(_followed(choice, document), document) for choice in choices))
    kind = schema.get("type", ())
    return frozenset([kind] if isinstance(kind, str) else kind)


def _kinds(place: str, old: frozenset[str], new: frozenset[str], way: Way) -> Iterator[str]:
    narrow, wide = (new, old) if way == "request" else (old, new)
    if narrow and (not wide or not wide <= narrow):
        yield f"{place}: is {'|'.join(sorted(new)) or 'anything'}, was {'|'.join(sorted(old)) or 'anything'}"


def _limits(place: str, old: Node, new: Node, way: Way) -> Iterator[str]:
    before, after = old.get("enum"), new.get("enum")
    if way == "answer":
        if before and (added := [str(value) for value in after or ("anything",) if value not in before]):
            yield f"{place}: may answer {', '.join(added)}"
        return
    if after and (gone := [str(value) for value in before or ("anything",) if value not in after]):
        yield f"{place}: takes no {', '.join(gone)}"
    for name in _FLOORS:
        if name in new and (name not in old or new[name] > old[name]):
            yield f"{place}: {name} is {new[name]}, was {old.get(name, 'none')}"
    for name in _CEILINGS:
        if name in new and (name not in old or new[name] < old[name]):
            yield f"{place}: {name} is {new[name]}, was {old.get(name, 'none')}"
    if new.get("pattern") not in {None, old.get("pattern")}:
        yield f"{place}: has another pattern"


def _followed(node: Node, document: Node) -> Node:
    while "$ref" in node:
        found: Any = document
        for word in node["$ref"].removeprefix("#/").split("/"):
            found = found[word]
        node = found
    return node
