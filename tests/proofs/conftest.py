"""Proofs at the size of a busy shop; small in `make test`, whole in `make proofs`."""

import pytest

pytest.register_assert_rewrite("tests.proofs.till")
