"""The DIAN simulator of `mostrador up`: where the product finds it, its clock, and each fault of `POST /dev/faults`."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import psutil
import pytest

from app.dev.dian_desk import DianDesk, Taxpayer
from app.integrations.dian.answers import Answer, Outcome
from app.integrations.dian.certificate import open_p12
from app.integrations.dian.soap import DianClient
from app.settings import read_settings
from tests.dev.conftest import forget
from tests.dev.test_up import Installation, running, until

UNKNOWN_UUID = "0" * 96


class House:
    """A running installation, and a company of it that is known to DIAN."""

    def __init__(self, up: Installation) -> None:
        self.up = up
        self.url = up.variable("DIAN_URL")
        self.desk = DianDesk(self.url)
        self.taxpayer: Taxpayer = self.desk.enrol("900373115", "Tienda Nueva S.A.S.")
        self._credential = open_p12(self.taxpayer.p12, self.taxpayer.password)
        self.offset = timedelta()

    def status(self, seconds: float = 5.0) -> Answer:
        """GetStatus of a document that nobody sent: `ABSENT` from a DIAN that is well."""

        async def ask() -> Answer:
            async with httpx.AsyncClient(timeout=seconds, trust_env=False) as http:
                client = DianClient(http, self.url, self._credential, lambda: datetime.now(UTC) + self.offset)
                return await client.status(UNKNOWN_UUID)

        return asyncio.run(ask())


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    data = tmp_path_factory.mktemp("shop") / "data"
    with running(data) as installation:
        house = House(installation)
        yield house
        house.desk.close()
        installation.stop()
    forget(data)


@pytest.fixture(autouse=True)
def mended(house: House) -> Iterator[None]:
    yield
    house.up.http.delete("/dev/faults").raise_for_status()


def test_the_product_finds_it_where_the_launcher_says(house: House) -> None:
    listed = house.up.services()["dian"]
    assert listed["url"] == house.url
    assert listed["url"].endswith("/WcfDianCustomerServices.svc")
    assert psutil.Process(listed["pid"]).cmdline()[1:3] == ["-m", "app.dev.dian_simulator"]
    assert house.status().outcome is Outcome.ABSENT
    variables = {
        name: house.up.variable(name)
        for name in (
            *("ENVIRONMENT", "DATABASE_URL", "DATABASE_PLATFORM_URL", "REDIS_URL"),
            *("TOKEN_SIGNING_KEY", "SECRET_KEY", "DIAN_URL"),
        )
    }
    assert read_settings(variables).dian_url == house.url


@pytest.mark.parametrize(
    ("fault", "seconds", "status"),
    [("error", 5.0, 503), ("garbage", 5.0, 200), ("timeout-after-processing", 0.5, None), ("slow", 0.5, None)],
)
def test_it_misbehaves_until_it_is_mended(fault: str, seconds: float, status: int | None, house: House) -> None:
    assert house.up.break_("dian", fault).status_code == 200
    for _ in range(2):
        got = house.status(seconds)
        assert (got.outcome, got.http_status) == (Outcome.UNKNOWN, status)
    house.up.http.delete("/dev/faults").raise_for_status()
    assert house.status().outcome is Outcome.ABSENT


def test_it_misbehaves_for_some_seconds(house: House) -> None:
    house.up.break_("dian", "error", seconds=1)
    assert house.status().http_status == 503
    until(lambda: house.status().outcome is Outcome.ABSENT)


def test_stopped_it_is_away_until_it_is_mended(house: House) -> None:
    house.up.break_("dian", "stop")
    assert house.up.services()["dian"]["pid"] is None
    assert house.status().outcome is Outcome.TRANSPORT
    house.up.http.delete("/dev/faults").raise_for_status()
    assert house.status().outcome is Outcome.ABSENT


def test_frozen_it_takes_the_call_and_says_nothing(house: House) -> None:
    house.up.break_("dian", "freeze", seconds=2)
    assert house.status(0.5).outcome is Outcome.UNKNOWN
    until(lambda: house.status().outcome is Outcome.ABSENT)


def test_killed_it_comes_back_at_the_same_address_and_knows_its_companies(house: House) -> None:
    before = house.up.services()["dian"]
    house.up.break_("dian", "kill")
    until(lambda: house.up.services()["dian"]["pid"] not in {before["pid"], None})
    until(lambda: house.status().outcome is Outcome.ABSENT)
    assert house.up.services()["dian"]["url"] == before["url"]
    again = house.desk.enrol("900373115", "Tienda Nueva S.A.S.")
    assert (again.software_id, again.test_set_id) == (house.taxpayer.software_id, house.taxpayer.test_set_id)


def test_its_clock_moves_with_everybodys(house: House) -> None:
    """A client that is an hour ahead is turned away, until DIAN is too."""
    house.offset = timedelta(hours=1)
    try:
        assert house.status().outcome is Outcome.REFUSED
        house.up.http.post("/dev/clock", json={"now": (datetime.now(UTC) + house.offset).isoformat()})
        assert house.status().outcome is Outcome.ABSENT
    finally:
        house.offset = timedelta()
        house.up.http.post("/dev/clock", json={"now": None}).raise_for_status()
    assert house.status().outcome is Outcome.ABSENT
