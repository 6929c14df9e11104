"""The sealed archive: what was written comes back, and anything else is refused with its reason."""

import base64
import os
from hashlib import sha256
from uuid import UUID, uuid4

import msgspec
import pytest

from app.domain.backups.keys import BackupKeys
from app.domain.backups.sealed import CHUNK, TAG, ArchiveBroken, Header, Manifest, Opening, Sealing

ROOT = os.urandom(32)


def sealed(content: bytes, archive_id: UUID | None = None) -> tuple[bytes, int]:
    """An archive, and where its chunks begin."""
    keys = BackupKeys(ROOT)
    archive_id = archive_id or uuid4()
    key, wrapped = keys.make(archive_id)
    header = Header(
        id=archive_id, kind="platform", created_at="2026-01-01", wrapped_key=base64.b64encode(wrapped).decode()
    )
    sealing = Sealing(header, key)
    out = bytearray(sealing.begin())
    begin = len(out)
    for start in range(0, len(content), 700_001):
        for chunk in sealing.add(content[start : start + 700_001]):
            out += chunk
    manifest = Manifest(
        format="x",
        id=archive_id,
        created_at="2026-01-01",
        revision="1",
        content_bytes=sealing.content_bytes,
        content_sha256=sealing.content_sha256,
    )
    for chunk in sealing.finish(msgspec.json.encode(manifest)):
        out += chunk
    return bytes(out), begin


def opened(raw: bytes, keys: BackupKeys | None = None, step: int = 300_007) -> bytes:
    opening = Opening(keys or BackupKeys(ROOT))
    found = bytearray()
    for start in range(0, len(raw), step):
        for piece in opening.feed(raw[start : start + step]):
            found += piece
    for piece in opening.finish():
        found += piece
    opening.manifest(Manifest)
    return bytes(found)


@pytest.mark.parametrize("size", [0, 1, 700_001, CHUNK - 5, CHUNK, CHUNK + 1, 3 * CHUNK + 17])
@pytest.mark.parametrize("step", [1 << 16, 10**9])
def test_content_comes_back(size: int, step: int) -> None:
    content = os.urandom(size)
    assert opened(sealed(content)[0], step=step) == content


def refusal(raw: bytes, keys: BackupKeys | None = None) -> str:
    with pytest.raises(ArchiveBroken) as caught:
        opened(raw, keys)
    return str(caught.value)


def test_whatever_is_done_to_an_archive_is_told() -> None:
    content = os.urandom(4 * CHUNK)
    raw, begin = sealed(content)
    size = CHUNK + TAG

    def chunk(number: int) -> bytes:
        return raw[begin + number * size : begin + (number + 1) * size]

    for place in (begin, begin + size + 5, len(raw) - 1):
        flipped = bytearray(raw)
        flipped[place] ^= 1
        assert "was changed" in refusal(bytes(flipped))
    swapped = raw[:begin] + chunk(1) + chunk(0) + raw[begin + 2 * size :]
    assert "another's place" in refusal(swapped)
    assert "cut off" in refusal(raw[: begin + 2 * size])
    assert "cut off" in refusal(raw[:-1])
    assert "cut off" in refusal(raw[:begin])
    assert "cut off" in refusal(raw[: begin - 1])
    assert "no archive" in refusal(b"PK\3\4" + raw)
    assert "changed" in refusal(raw[:begin] + chunk(1) + raw[begin + 2 * size :])
    assert refusal(raw + b"x")
    assert "this key does not open" in refusal(raw, BackupKeys(os.urandom(32)))
    other, other_begin = sealed(content)
    assert "was changed" in refusal(raw[:begin] + other[other_begin:])


def test_a_manifest_that_is_not_the_contents_is_refused() -> None:
    keys, archive_id = BackupKeys(ROOT), uuid4()
    key, wrapped = keys.make(archive_id)
    header = Header(id=archive_id, kind="platform", created_at="x", wrapped_key=base64.b64encode(wrapped).decode())
    sealing = Sealing(header, key)
    out = sealing.begin() + b"".join(sealing.add(b"abc"))
    manifest = Manifest(
        format="x",
        id=archive_id,
        created_at="x",
        revision="1",
        content_bytes=3,
        content_sha256=sha256(b"abd").hexdigest(),
    )
    out += b"".join(sealing.finish(msgspec.json.encode(manifest)))
    assert "not what the manifest says" in refusal(out)


def test_a_key_that_was_replaced_still_opens_and_is_wrapped_anew() -> None:
    former, current = os.urandom(32), os.urandom(32)
    archive_id = uuid4()
    key, wrapped = BackupKeys(former).make(archive_id)
    both = BackupKeys(current, (former,))
    assert both.open(archive_id, wrapped) == key
    renewed = both.renewed(archive_id, wrapped)
    assert renewed is not None
    assert BackupKeys(current).open(archive_id, renewed) == key
    assert both.renewed(archive_id, renewed) is None
