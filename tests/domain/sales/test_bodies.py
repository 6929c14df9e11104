"""A body of the counter means the same after it was sent, whatever a client puts in it."""

from typing import Any

import pytest

from app.lib.schemas import JSON, fingerprint, json_decoder
from tests.factories import COUNTER, factory_of


@pytest.mark.parametrize("body", COUNTER, ids=lambda body: body.__name__)
def test_what_is_sent_is_what_arrives(body: type[Any]) -> None:
    factory = factory_of(body)
    factory.seed_random(20260302)
    for _ in range(15):
        made = factory.build()
        sent = JSON.encode(made)
        arrived = json_decoder(body).decode(sent)
        assert arrived == made
        assert fingerprint(arrived) == fingerprint(made)
