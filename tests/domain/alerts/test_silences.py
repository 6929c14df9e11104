"""The operator silences what there is, and nothing that only sounds like it."""

import httpx
import pytest

from app.db.session import Database
from tests.staff import staff


@pytest.mark.parametrize(("name", "status"), [("redis", 201), ("*", 201), ("postgres", 422), ("Redis", 422)])
async def test_a_silence_names_a_check_that_is_there(
    http: httpx.AsyncClient, database: Database, name: str, status: int
) -> None:
    """A slip of the pen at three in the morning would silence nothing, and say that it did."""
    person = await staff(http, database)
    body = {"fingerprint": name, "reason": "se cambia el equipo", "minutes": 1}
    answer = await person.post("/v1/provider/alerts/silences", body)
    assert answer.status_code == status, answer.text
    if status == 422:
        (error,) = answer.json()["errors"]
        assert error["pointer"] == "/fingerprint"
        assert "postgresql" in error["detail"]
    else:
        await http.delete(f"/v1/provider/alerts/silences/{answer.json()['id']}", headers=person.headers)
