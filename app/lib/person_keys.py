"""Personal fields of the trail, sealed under one key per person: destroying the key erases them and breaks no chain.

What a person may ask to have erased (name, identification, e-mail, phone, address) is written into the append-only trail as
AES-256-GCM text; the chain's hash covers that text. The key is a row of `person_key`, itself wrapped under a key derived
from `SECRET_KEY`, so that neither the database nor the secret alone opens anything.
"""

import base64
import binascii
import hmac
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, cast
from uuid import UUID

import msgspec
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.lib.schemas import canonical, encode_special

_LOG = structlog.stdlib.get_logger("mostrador.audit")

ERASED: Final = "[dato eliminado]"
"""What is shown where a key was destroyed."""

FIELDS, PERSON, SEALED = "$fields", "$person", "$sealed"
"""Members of an object that holds sealed fields: their names, whose they are, the sealed text in base64."""

_NONCE: Final = 12
_KEY: Final = 32

_READ = text(
    "SELECT person_id, wrapped, erased_at FROM person_key "
    "WHERE tenant_id = :tenant_id AND person_id = ANY(CAST(:persons AS uuid[]))"
)
_MAKE = text(
    "INSERT INTO person_key (tenant_id, person_id, wrapped) SELECT :tenant_id, made.person_id, made.wrapped "
    "FROM unnest(CAST(:persons AS uuid[]), CAST(:wrapped AS bytea[])) AS made(person_id, wrapped) ON CONFLICT DO NOTHING"
)
_DESTROY = text(
    "INSERT INTO person_key (tenant_id, person_id, wrapped, erased_at) VALUES (:tenant_id, :person_id, NULL, :at) "
    "ON CONFLICT (tenant_id, person_id) DO UPDATE SET wrapped = NULL, erased_at = excluded.erased_at"
)

Keyring = Mapping[UUID, bytes]
"""Person to key; who is absent was erased, or never had one."""


class Personal(msgspec.Struct, frozen=True):
    """A value on its way into the trail, some members of which belong to a person."""

    person_id: UUID
    """A customer's id, or a user's."""
    value: Any
    """A struct or a mapping."""
    fields: tuple[str, ...]
    """Members to seal, as they are named in JSON."""


class PersonKeys:
    """Makes, reads and destroys the keys of the people a company knows."""

    def __init__(self, secret: bytes) -> None:
        self._wrapping = AESGCM(hmac.digest(secret, b"person-keys", "sha256"))

    async def seal(self, session: AsyncSession, tenant_id: UUID, values: Sequence[Any]) -> list[Any]:
        """The values with every `Personal` in them sealed; keys that are missing are made.

        Looks into mappings and lists. Of a person whose key was destroyed nothing is written any more.
        """
        persons = {found.person_id for value in values for found in _personal(value)}
        if not persons:
            return list(values)
        keys = await self._keys_to_write(session, tenant_id, persons)
        return [_sealed(value, tenant_id, keys) for value in values]

    async def keyring(self, session: AsyncSession, tenant_id: UUID, persons: Iterable[UUID]) -> Keyring:
        """The keys that still exist, to read with. One that is not ours is told in the log and opens nothing."""
        found: dict[UUID, bytes] = {}
        for person_id, wrapped in await self._wrapped(session, tenant_id, persons):
            try:
                found[person_id] = self._unwrap(tenant_id, person_id, wrapped)
            except InvalidTag:
                _LOG.error("key of a person is not ours", tenant_id=str(tenant_id), person_id=str(person_id))
        return found

    async def _wrapped(
        self, session: AsyncSession, tenant_id: UUID, persons: Iterable[UUID]
    ) -> list[tuple[UUID, bytes]]:
        wanted = sorted(set(persons))
        if not wanted:
            return []
        rows = await session.execute(_READ, {"tenant_id": tenant_id, "persons": wanted})
        return [(row.person_id, row.wrapped) for row in rows if row.wrapped is not None]

    async def destroy(self, session: AsyncSession, tenant_id: UUID, person_id: UUID, at: Any) -> None:
        """Erase what the trail knows of a person, for good: what was sealed stays, and nobody opens it."""
        await session.execute(_DESTROY, {"tenant_id": tenant_id, "person_id": person_id, "at": at})

    async def _keys_to_write(self, session: AsyncSession, tenant_id: UUID, persons: set[UUID]) -> Keyring:
        values: dict[str, Any] = {"tenant_id": tenant_id, "persons": sorted(persons)}
        known = {row.person_id for row in await session.execute(_READ, values)}
        if missing := sorted(persons - known):
            wrapped = [self._wrap(tenant_id, person, os.urandom(_KEY)) for person in missing]
            await session.execute(_MAKE, {"tenant_id": tenant_id, "persons": missing, "wrapped": wrapped})
        # Read again: another transaction's key may have come first. One that is not ours ends the write: what it should
        # seal would be lost.
        return {
            person_id: self._unwrap(tenant_id, person_id, wrapped)
            for person_id, wrapped in await self._wrapped(session, tenant_id, persons)
        }

    def _wrap(self, tenant_id: UUID, person_id: UUID, key: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + self._wrapping.encrypt(nonce, key, tenant_id.bytes + person_id.bytes)

    def _unwrap(self, tenant_id: UUID, person_id: UUID, wrapped: bytes) -> bytes:
        return self._wrapping.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], tenant_id.bytes + person_id.bytes)


def people_in(value: Any) -> Iterator[UUID]:
    """Whose sealed fields stand in a value read from the trail."""
    if isinstance(value, list):
        for item in value:
            yield from people_in(item)
    elif isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        if (person := _person_of(members)) is not None:
            yield person
        for item in members.values():
            yield from people_in(item)


def opened(value: Any, tenant_id: UUID, keys: Keyring) -> Any:
    """The value as people read it: sealed fields in their places, or `ERASED` where the key is gone."""
    if isinstance(value, list):
        return [opened(item, tenant_id, keys) for item in value]
    if not isinstance(value, dict):
        return value
    members = cast("dict[str, Any]", value)
    if (person := _person_of(members)) is None:
        return {name: opened(item, tenant_id, keys) for name, item in members.items()}
    fields = _open(members, tenant_id, person, keys.get(person))
    clear = {name: opened(item, tenant_id, keys) for name, item in members.items() if not name.startswith("$")}
    return dict(sorted((clear | fields).items()))


def _person_of(members: dict[str, Any]) -> UUID | None:
    """Whose an object with sealed fields is; None for any other object, also one that only looks like it."""
    person, fields, sealed = members.get(PERSON), members.get(FIELDS), members.get(SEALED)
    if not isinstance(person, str) or not isinstance(sealed, str) or not isinstance(fields, list):
        return None
    if not all(isinstance(name, str) for name in fields):
        return None
    try:
        return UUID(person)
    except ValueError:
        return None


def _open(members: dict[str, Any], tenant_id: UUID, person: UUID, key: bytes | None) -> dict[str, Any]:
    gone: dict[str, Any] = dict.fromkeys(members[FIELDS], ERASED)
    if key is None:
        return gone
    try:
        raw = base64.b64decode(members[SEALED], validate=True)
        clear = AESGCM(key).decrypt(raw[:_NONCE], raw[_NONCE:], tenant_id.bytes + person.bytes)
        return msgspec.json.decode(clear, type=dict[str, Any])
    except (binascii.Error, InvalidTag, msgspec.MsgspecError, ValueError):
        return gone


def _personal(value: Any) -> Iterator[Personal]:
    if isinstance(value, Personal):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _personal(item)
    elif isinstance(value, list):
        for item in value:
            yield from _personal(item)


def _sealed(value: Any, tenant_id: UUID, keys: Keyring) -> Any:
    if isinstance(value, Personal):
        return _seal_fields(value, tenant_id, keys.get(value.person_id))
    if isinstance(value, dict):
        return {name: _sealed(item, tenant_id, keys) for name, item in value.items()}
    if isinstance(value, list):
        return [_sealed(item, tenant_id, keys) for item in value]
    return value


def _seal_fields(personal: Personal, tenant_id: UUID, key: bytes | None) -> dict[str, Any]:
    members: dict[str, Any] = msgspec.to_builtins(personal.value, enc_hook=encode_special, str_keys=True)
    secret = {name: members.pop(name) for name in personal.fields if name in members}
    if not secret:
        return members
    sealed = ""
    if key is not None:
        nonce = os.urandom(_NONCE)
        person = personal.person_id
        raw = nonce + AESGCM(key).encrypt(nonce, canonical(secret), tenant_id.bytes + person.bytes)
        sealed = base64.b64encode(raw).decode()
    return members | {FIELDS: sorted(secret), PERSON: str(personal.person_id), SEALED: sealed}
