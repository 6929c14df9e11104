"""Schemas of bodies, and an example of each, from the structs that decode and encode them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from app.lib.money import Exact
from app.lib.openapi.names import module_name
from app.lib.schemas import Input, Output

Schema = dict[str, Any]

_MOST: Final = 999_999_999_999
_REFERENCE: Final = "#/components/schemas/"
_SAMPLES: Final[dict[str, Any]] = {
    "uuid": "0197f2a4-7a3c-7bb0-9d2e-3f5a6b7c8d9e",
    "date-time": "2026-03-02T15:04:05Z",
    "date": "2026-03-02",
    "decimal": "34900.00",
}


def body_schemas(names: Iterable[str]) -> dict[str, Schema]:
    """JSON Schema of every body among these component names, and of whatever those contain.

    Raises `ValueError` when two bodies share a name: a generated client could hold only one of them.
    """
    wanted = set(names)
    found: dict[str, type[msgspec.Struct]] = {}
    for body in (*_below(Input), *_below(Output)):
        if body.__name__ in wanted and found.setdefault(body.__name__, body) is not body:
            raise ValueError(f"two bodies are named {body.__name__}: {found[body.__name__]!r} and {body!r}")
        if any(module_name(body).endswith(f"_{name}") for name in wanted if "_" in name):
            found[module_name(body)] = body
    _, components = msgspec.json.schema_components(
        found.values(), schema_hook=_special, ref_template=_REFERENCE + "{name}"
    )
    return components


def _below(base: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for body in base.__subclasses__():
        yield body
        yield from _below(body)


def _special(kind: type[Any]) -> Schema:
    """An exact number is a string or an integer, never a number with a fraction."""
    if not issubclass(kind, Exact):
        raise NotImplementedError(f"no schema for {kind}")
    sign = "-?" if kind.SIGNED else ""
    least = -_MOST if kind.SIGNED else int(not kind.ZERO)
    nonzero = "" if kind.ZERO else r"(?=.*[1-9])"
    return {
        "anyOf": [
            {"type": "string", "pattern": rf"^{nonzero}{sign}[0-9]{{1,12}}(\.[0-9]{{1,{kind.SCALE}}})?$"},
            {"type": "integer", "minimum": least, "maximum": _MOST},
        ],
    }


def example_of(schema: Schema, components: Mapping[str, Schema]) -> Any:
    """A value of this schema: its own example where it has one; optional fields only where they have one."""
    if "$ref" in schema:
        return example_of(components[schema["$ref"].removeprefix(_REFERENCE)], components)
    if examples := schema.get("examples"):
        return examples[0]
    if "const" in schema:
        return schema["const"]
    if options := schema.get("enum"):
        return options[0]
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return _first(schema[several], components)
    if schema.get("type") == "object":
        required = schema.get("required", ())
        return {
            name: example_of(field, components)
            for name, field in schema.get("properties", {}).items()
            if name in required or "examples" in field
        }
    if schema.get("type") == "array":
        return [example_of(schema["items"], components)] if schema.get("items") else []
    return _scalar(schema)


def _first(options: list[Schema], components: Mapping[str, Schema]) -> Any:
    if any("pattern" in option for option in options) and any(option.get("type") == "integer" for option in options):
        return _SAMPLES["decimal"]
    return next((example_of(option, components) for option in options if option.get("type") != "null"), None)


def _scalar(schema: Schema) -> Any:
    match schema.get("type"):
        case "string":
            text: str = _SAMPLES.get(schema.get("format", ""), "texto")
            return text[: schema.get("maxLength")].ljust(schema.get("minLength", 0), "x")
        case "integer":
            return max(schema.get("minimum", 1), 1)
        case "number":
            return 1
        case "boolean":
            return True
    return None
