"""What is sealed opens only as it was sealed: by us, for this purpose and owner, unchanged."""

import os

import pytest

from app.lib.sealing import SealBroken, Sealer

SECRET, OTHER = os.urandom(32), os.urandom(32)
OWNER = b"a row"


def test_a_sealed_value_opens_and_two_seals_of_it_share_nothing() -> None:
    sealer = Sealer(SECRET, "totp")
    one, two = sealer.seal(b"a secret", OWNER), sealer.seal(b"a secret", OWNER)
    assert sealer.open(one, OWNER) == sealer.open(two, OWNER) == b"a secret"
    assert b"a secret" not in one
    assert one[9:] != two[9:]


@pytest.mark.parametrize("opener", [Sealer(OTHER, "totp"), Sealer(SECRET, "certificates")], ids=["key", "purpose"])
def test_another_key_or_purpose_does_not_open_it(opener: Sealer) -> None:
    with pytest.raises(SealBroken):
        opener.open(Sealer(SECRET, "totp").seal(b"x", OWNER), OWNER)


def test_a_value_moved_to_another_row_does_not_open() -> None:
    sealer = Sealer(SECRET, "totp")
    with pytest.raises(SealBroken):
        sealer.open(sealer.seal(b"x", OWNER), b"another row")


def test_every_changed_byte_and_every_cut_is_noticed() -> None:
    sealer = Sealer(SECRET, "totp")
    sealed = sealer.seal(b"a secret", OWNER)
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(SealBroken):
            sealer.open(bytes(changed), OWNER)
        with pytest.raises(SealBroken):
            sealer.open(sealed[:place], OWNER)


def test_a_new_key_opens_what_the_former_sealed_and_renews_it_without_the_value() -> None:
    old = Sealer(SECRET, "totp")
    sealed = old.seal(b"a secret", OWNER)
    new = Sealer(OTHER, "totp", [SECRET])
    assert new.open(sealed, OWNER) == b"a secret"
    assert not new.is_current(sealed)
    renewed = new.renew(sealed, OWNER)
    assert new.is_current(renewed)
    assert renewed[69:] == sealed[69:], "the value itself was not sealed again"
    assert Sealer(OTHER, "totp").open(renewed, OWNER) == b"a secret"
    with pytest.raises(SealBroken):
        old.open(renewed, OWNER)
