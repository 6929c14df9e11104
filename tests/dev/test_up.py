"""`mostrador up` as a whole, with real servers and a small stand-in for our own programs."""

import contextlib
import itertools
import os
import signal
import smtplib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psutil
import pytest
import redis

from app.dev.environment import Secrets
from app.dev.postgres import EmbeddedPostgres
from app.dev.processes import free_port
from app.dev.redis import EmbeddedRedis
from tests.dev.conftest import forget

PATIENCE = 30.0
"""Seconds after which something that should happen is said not to."""
SERVICES = {"postgresql", "redis", "smtp", "dian", "stripe", "worker", "monitor", "api"}
DEMO = "demo: duena@tornillo.test clave-de-prueba"


class Installation:
    """A running launcher, seen from outside."""

    def __init__(self, data: Path, *words: str, environment: Mapping[str, str] | None = None) -> None:
        self.data = data
        self.port = free_port()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.dev.run_up", str(data), str(self.port), *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        self.lines: list[str] = []
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=PATIENCE)

    def wait_for(self, last: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if self.lines[-1] == last:
                return
        assert self.process.stderr is not None
        pytest.fail(f"it ended first: {self.lines} {self.process.stderr.read()}")

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def services(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.http.get("/dev/services").json()
        return answer

    def break_(self, service: str, fault: str, **more: object) -> httpx.Response:
        return self.http.post("/dev/faults", json={"service": service, "fault": fault, **more})

    def variable(self, name: str) -> str:
        lines = (self.data / "environment").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)[name].strip("'")

    def bell(self) -> redis.Redis:
        return redis.Redis.from_url(self.variable("REDIS_URL"), socket_timeout=1, decode_responses=True)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def running(
    data: Path, *words: str, last: str = DEMO, environment: Mapping[str, str] | None = None
) -> Iterator[Installation]:
    installation = Installation(data, *words, environment=environment)
    try:
        installation.wait_for(last)
        yield installation
    finally:
        installation.process.kill()
        installation.process.communicate()
        installation.http.close()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    data = tmp_path_factory.mktemp("shop") / "data"
    with running(data) as installation:
        yield installation
        installation.stop()
    forget(data)


@pytest.fixture(autouse=True)
def mended(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "shop" in request.fixturenames:
        request.getfixturevalue("shop").http.delete("/dev/faults").raise_for_status()


def alive(family: list[psutil.Process], patience: float) -> list[psutil.Process]:
    """Those still running after so many seconds; one that ended and that nobody has buried yet does not count."""
    _, there = psutil.wait_procs(family, timeout=patience)
    return [process for process in there if process.status() != psutil.STATUS_ZOMBIE]


def until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happens():
        if time.monotonic() > deadline:
            pytest.fail("it did not happen")
        time.sleep(0.05)


def test_it_says_where_to_look_and_last_how_to_log_in(shop: Installation) -> None:
    address = f"http://127.0.0.1:{shop.port}"
    assert shop.lines[-3:] == [address, f"{address}/schema", DEMO]
    assert [line for line in shop.lines if line.startswith("demo:")] == [DEMO], "no line but this one looks like it"
    assert {line.split()[0] for line in shop.lines[:-3]} >= SERVICES
    secret = msgspec.to_builtins(Secrets.load(shop.data))
    said = "\n".join(shop.lines)
    assert not [name for name, value in secret.items() if isinstance(value, str) and value in said]


def test_what_the_monitor_keeps_without_postgresql_is_kept_inside_the_data_folder(shop: Installation) -> None:
    folder = Path(shop.variable("ALERT_SPOOL_DIR"))
    assert folder == shop.data / "alerts"
    until((folder / "lock").exists)


def test_every_service_is_listed_with_its_process_and_no_credentials(shop: Installation) -> None:
    services = shop.services()
    assert set(services) == SERVICES
    assert all(psutil.pid_exists(service["pid"]) and service["version"] for service in services.values())
    assert "@" not in str(services)


def test_a_killed_worker_is_started_again(shop: Installation) -> None:
    before = shop.services()["worker"]["pid"]
    assert shop.break_("worker", "kill").status_code == 200
    until(lambda: shop.services()["worker"]["pid"] not in {before, None})


def test_a_killed_database_is_started_again_with_its_rows_at_the_same_address(shop: Installation) -> None:
    before = shop.services()["postgresql"]
    shop.break_("postgresql", "kill")
    until(lambda: shop.services()["postgresql"]["pid"] not in {before["pid"], None})
    assert shop.services()["postgresql"]["url"] == before["url"]


def test_a_stopped_redis_stays_away_until_the_faults_are_cleared(shop: Installation) -> None:
    shop.break_("redis", "stop")
    assert shop.services()["redis"]["pid"] is None
    with pytest.raises(redis.ConnectionError):
        shop.bell().ping()
    assert shop.http.delete("/dev/faults").status_code == 204
    assert shop.bell().ping()


def test_a_frozen_redis_moves_again_by_itself(shop: Installation) -> None:
    shop.break_("redis", "freeze", seconds=1)
    assert psutil.Process(shop.services()["redis"]["pid"]).status() == psutil.STATUS_STOPPED
    until(lambda: psutil.Process(shop.services()["redis"]["pid"]).status() != psutil.STATUS_STOPPED)
    assert shop.bell().ping()


def test_a_frozen_database_freezes_with_all_its_backends(shop: Installation) -> None:
    shop.break_("postgresql", "freeze")
    postmaster = psutil.Process(shop.services()["postgresql"]["pid"])
    family = [postmaster, *postmaster.children(recursive=True)]
    # A backend that had just ended stays a zombie: its frozen parent cannot bury it.
    living = {process.status() for process in family} - {psutil.STATUS_ZOMBIE}
    assert living == {psutil.STATUS_STOPPED}
    assert postmaster.status() == psutil.STATUS_STOPPED
    shop.http.delete("/dev/faults")
    until(lambda: postmaster.status() != psutil.STATUS_STOPPED)


@pytest.mark.parametrize(
    ("service", "fault"),
    [("redis", "slow"), ("postgresql", "garbage"), ("worker", "error")],
)
def test_a_fault_that_makes_no_sense_is_refused_in_spanish(shop: Installation, service: str, fault: str) -> None:
    answer = shop.break_(service, fault)
    assert answer.status_code == 422
    assert answer.json()["code"] == "fault-refused"
    assert service in answer.json()["detail"]


def write(shop: Installation, to: str, subject: str) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Tienda Ñandú <tienda@nandu.test>", to, subject
    mail.set_content("Su factura va adjunta.\n")
    mail.add_alternative("<p>Su factura va adjunta.</p>\n", subtype="html")
    mail.add_attachment(b"%PDF-1.7", maintype="application", subtype="pdf", filename="factura año 26.pdf")
    with smtplib.SMTP(shop.variable("SMTP_HOST"), int(shop.variable("SMTP_PORT")), timeout=2) as smtp:
        smtp.send_message(mail)


def subjects(shop: Installation, to: str) -> list[str]:
    return [mail["subject"] for mail in shop.http.get("/dev/mail", params={"to": to}).json()["items"]]


def test_mail_is_kept_newest_first_with_its_attachments(shop: Installation) -> None:
    write(shop, "ana@cliente.test", "Factura SETP-1 con ñ")
    write(shop, "ana@cliente.test", "Factura SETP-2")
    write(shop, "otro@cliente.test", "Ajena")
    items = shop.http.get("/dev/mail", params={"to": "ANA@cliente.test"}).json()["items"]
    assert [mail["subject"] for mail in items] == ["Factura SETP-2", "Factura SETP-1 con ñ"]
    mail = items[0]
    assert (mail["to"], mail["from"]) == ("ana@cliente.test", "Tienda Ñandú <tienda@nandu.test>")
    assert (mail["text"].strip(), mail["html"].strip()) == ("Su factura va adjunta.", "<p>Su factura va adjunta.</p>")
    (attached,) = mail["attachments"]
    assert (attached["name"], attached["type"], attached["size"]) == ("factura año 26.pdf", "application/pdf", 8)
    downloaded = shop.http.get(attached["url"])
    assert (downloaded.content, downloaded.headers["content-type"]) == (b"%PDF-1.7", "application/pdf")
    assert datetime.fromisoformat(mail["at"]).tzinfo is not None


def test_an_attachment_that_is_not_there_is_not_found(shop: Installation) -> None:
    for address in ("/dev/mail/ninguno/attachments/0", "/dev/mail/..%2Fenvironment/attachments/0"):
        assert shop.http.get(address).status_code == 404


def test_a_failing_mail_server_refuses_for_now_and_later_accepts(shop: Installation) -> None:
    shop.break_("smtp", "error", seconds=60)
    with pytest.raises(smtplib.SMTPDataError) as refusal:
        write(shop, "eva@cliente.test", "Rechazada")
    assert refusal.value.smtp_code == 451
    assert subjects(shop, "eva@cliente.test") == []
    shop.http.delete("/dev/faults")
    write(shop, "eva@cliente.test", "Aceptada")
    assert subjects(shop, "eva@cliente.test") == ["Aceptada"]


def test_a_mail_server_that_falls_silent_has_kept_the_mail(shop: Installation) -> None:
    shop.break_("smtp", "timeout-after-processing")
    with pytest.raises(smtplib.SMTPServerDisconnected):
        write(shop, "leo@cliente.test", "Guardada")
    assert subjects(shop, "leo@cliente.test") == ["Guardada"]


def test_a_mail_server_can_talk_nonsense(shop: Installation) -> None:
    shop.break_("smtp", "garbage")
    with pytest.raises((smtplib.SMTPException, ValueError)):
        write(shop, "mia@cliente.test", "Perdida")
    assert subjects(shop, "mia@cliente.test") == []


def test_the_clock_moves_and_returns(shop: Installation) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    shop.http.post("/dev/clock", json={"now": tomorrow.isoformat()}).raise_for_status()
    clock = Path(shop.variable("MOSTRADOR_CLOCK_FILE"))
    assert msgspec.json.decode(clock.read_bytes())["offset_seconds"] == pytest.approx(86_400, abs=60)
    shop.http.post("/dev/clock", json={"now": None}).raise_for_status()
    assert msgspec.json.decode(clock.read_bytes()) == {"offset_seconds": 0.0}


def test_a_second_launcher_of_the_same_folder_is_refused_and_harms_nothing(shop: Installation) -> None:
    second = Installation(shop.data)
    _, reason = second.process.communicate(timeout=PATIENCE)
    assert second.process.returncode == 1
    assert f"in use by another `mostrador up` (process {shop.process.pid})" in reason
    assert set(shop.services()) == SERVICES


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_stop_in_order_ends_everything_and_the_next_start_finds_the_demo(data: Path, number: signal.Signals) -> None:
    with running(data) as first:
        family = first.family()
        assert first.stop(number) == 0
        assert alive(family, patience=0) == []
    with running(data) as second:
        assert "filling the demo shop, only this first time" not in second.lines
        assert second.lines[-1] == DEMO


def test_a_killed_launcher_leaves_no_process_even_with_a_frozen_database(data: Path) -> None:
    with running(data) as first:
        first.break_("postgresql", "freeze")
        family = first.family()
        # Ours, PostgreSQL's backends, the HTTP server's workers and whoever holds the database still.
        assert len(family) > len(SERVICES) + 4
        first.process.kill()
        assert alive(family, PATIENCE) == []
    with running(data) as second:
        assert second.lines[-1] == DEMO


def test_servers_that_the_caller_brings_are_used_and_none_is_started(data: Path) -> None:
    with EmbeddedPostgres(data / "own-postgresql") as postgres, EmbeddedRedis(data / "own-redis") as bell:
        brought = {
            "DATABASE_URL": postgres.admin_url(),
            "DATABASE_ADMIN_URL": postgres.admin_url(),
            "REDIS_URL": bell.url(),
            "SMTP_HOST": "mail.tienda.test",
            "DIAN_URL": "https://dian.tienda.test/WcfDianCustomerServices.svc",
        }
        with running(data / "up", environment=brought) as installation:
            assert set(installation.services()) == {"worker", "monitor", "api"}
            said = "\n".join(installation.lines)
            assert f"postgresql://127.0.0.1:{postgres.port}/postgres" in said
            assert "mail.tienda.test" in said
            assert "https://dian.tienda.test/WcfDianCustomerServices.svc" in said
            assert postgres.password not in said
            assert bell.password not in said
            installation.stop()
        assert not (data / "up" / "postgresql").exists()


def test_two_installations_run_side_by_side_even_in_folders_with_difficult_names(data: Path) -> None:
    difficult = data / 'una tienda, la "más" grande' / ("sucursal" * 12)
    with running(difficult) as first, running(data / "otra") as second:
        assert first.services()["postgresql"]["pid"] != second.services()["postgresql"]["pid"]
        assert first.bell().ping()
        for installation in (first, second):
            installation.stop()


def test_a_stop_before_it_is_up_leaves_nothing(data: Path) -> None:
    installation = Installation(data)
    try:
        until((data / "environment").exists)
        family = installation.family()
        assert installation.stop() == 0
        assert alive(family, patience=0) == []
    finally:
        installation.process.kill()
        installation.process.communicate()


def test_a_port_in_use_is_said_and_nothing_is_left_running(data: Path, shop: Installation) -> None:
    clashing = subprocess.run(
        [sys.executable, "-m", "tests.dev.run_up", str(data), str(shop.port)],
        capture_output=True,
        check=False,
        text=True,
        timeout=PATIENCE,
    )
    assert clashing.returncode == 1
    assert f"port {shop.port} of 127.0.0.1 is in use" in clashing.stderr
    assert list(itertools.chain(data.glob("postgresql"), data.glob("redis"))) == []


def test_without_the_demo_the_page_of_the_api_is_the_last_line(data: Path) -> None:
    installation = Installation(data, "--no-demo")
    try:
        installation.wait_for(f"http://127.0.0.1:{installation.port}/schema")
        installation.stop()
        rest, _ = installation.process.communicate()
        assert rest == ""
    finally:
        installation.process.kill()
        installation.process.communicate()
