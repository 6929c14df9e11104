"""Bases of bodies: what comes in is strict, what goes out is camelCase."""

from hashlib import sha256
from typing import Any, TypeVar

import msgspec

from app.lib.money import Exact, parse_exact

_Body = TypeVar("_Body")


class Input(msgspec.Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A request body. Unknown fields are refused: a misspelt one must not be ignored."""


class Output(msgspec.Struct, kw_only=True, rename="camel"):
    """An answer. Lists have no default: an unloaded relation must not read as empty."""


def decode_special(kind: type[Any], raw: Any) -> Any:
    """Decoding hook for types that msgspec does not know."""
    if issubclass(kind, Exact):
        return parse_exact(kind, raw)
    raise NotImplementedError(f"no decoder for {kind}")


def encode_special(value: Any) -> Any:
    """Encoding hook for types that msgspec does not know."""
    if isinstance(value, Exact):
        return str(value)
    raise NotImplementedError(f"no encoder for {type(value)}")


def json_decoder(kind: type[_Body]) -> msgspec.json.Decoder[_Body]:
    """A decoder for a body outside the framework's own path."""
    return msgspec.json.Decoder(kind, dec_hook=decode_special)


JSON = msgspec.json.Encoder(enc_hook=encode_special)
"""Encoder of answers; Decimals become strings."""

_CANONICAL = msgspec.json.Encoder(enc_hook=encode_special, order="sorted")


def canonical(value: object) -> bytes:
    """Canonical JSON: sorted keys, no blanks. What fingerprints and the audit chain are made of."""
    return _CANONICAL.encode(value)


def fingerprint(body: object) -> bytes:
    """SHA-256 of a body's meaning, blind to formatting and order of fields: tells a retry from a different body."""
    return sha256(canonical(body)).digest()


class Page(Output):
    """Shape shared by all lists; each list declares its own `items`."""

    next_cursor: str | None
