"""Real sales, planned and sold: every line is accounted for."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from app.cli.replay import percentile
from app.cli.replay.plan import BadFile, FileLine, Plan, Ticket, TicketReturn, plan_of, read_plan
from app.dev.processes import free_port
from tests.cli.plain_refusals import pesos_of, refusals_of

DATA = Path(__file__).parents[1] / "data"
FILES = sorted(DATA.glob("2010-12-*.csv"))
ROOT = Path(__file__).parents[2]


def line(
    number: int, invoice: str, quantity: int, *, price: str = "100", customer: str = "1", code: str = "A"
) -> FileLine:
    return FileLine(number, invoice, code, "Cosa", Decimal(quantity), Decimal(price), customer)


def reasons(plan: Plan) -> list[tuple[int, str]]:
    return [(refused.line.number, refused.reason) for refused in plan.refused]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_refusals_are_those_of_a_second_plain_reading(path: Path) -> None:
    plan = read_plan(path)
    assert reasons(plan) == refusals_of(path) != []
    assert sum((ticket.total for ticket in plan.tickets), start=Decimal("0.00")) == pesos_of(path)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_sold_returned_and_refused_are_all_lines(path: Path) -> None:
    plan = read_plan(path)
    sold = sum(len(ticket.lines) for ticket in plan.tickets)
    returned = sum(len(step.lines) for step in plan.returns)
    assert sold + returned + len(plan.refused) == plan.lines == len(path.read_text().splitlines()) - 1
    assert max(len(ticket.lines) for ticket in plan.tickets) <= 600


def test_a_return_takes_the_newest_earlier_line_with_enough_left() -> None:
    plan = plan_of(
        [
            line(2, "1", 10),
            line(3, "2", 5),
            line(4, "3", 2),
            line(5, "C4", -4),
            line(6, "C5", -4),
            line(7, "C6", -7),
            line(8, "7", 9),
        ]
    )
    taken = [(step.invoice, step.ticket.invoice) for step in plan.returns]
    assert taken == [("C4", "2"), ("C5", "1")]
    assert reasons(plan) == [(7, "no-sale-to-return")]


def test_a_return_is_for_its_own_product_and_customer() -> None:
    plan = plan_of([line(2, "1", 5), line(3, "C2", -1, customer="2"), line(4, "C3", -1, code="B")])
    assert reasons(plan) == [(3, "no-sale-to-return"), (4, "no-sale-to-return")]


def test_a_code_keeps_its_first_description_and_each_line_its_price() -> None:
    plan = plan_of([line(2, "1", 1, price="100"), line(3, "1", 2, price="150"), line(4, "1", 1, price="0")])
    assert plan.products["A"].price == Decimal(100)
    assert plan.products["A"].units == Decimal(4)
    assert plan.tickets[0].total == Decimal("400.00")
    assert plan.refused == []


def test_a_return_comes_after_its_sale_in_the_plan() -> None:
    for path in FILES:
        seen: set[str] = set()
        for step in read_plan(path).steps:
            if isinstance(step, Ticket):
                seen.add(step.invoice)
            elif isinstance(step, TicketReturn):
                assert step.ticket.invoice in seen


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    with pytest.raises(BadFile, match="InvoiceNo"):
        read_plan(other)
    other.write_text("InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID\n1,A,B,x,,1,2\n")
    with pytest.raises(BadFile, match="line 2"):
        read_plan(other)


@pytest.mark.parametrize(("part", "value"), [(0.5, 2.0), (0.95, 4.0), (0.25, 1.0), (1.0, 4.0)])
def test_percentiles_are_values_that_were_seen(part: float, value: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], part) == value
    assert percentile([], part) == 0.0


@pytest.fixture
def api(environ: dict[str, str]) -> Iterator[str]:
    """`mostrador api` as a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "app.cli", "api", "--port", str(port)]
    process = subprocess.Popen(command, env=os.environ | environ, cwd=ROOT, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while not answers(url):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(30)
    assert code == 0


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/live").status_code == 200
    except httpx.TransportError:
        return False


def test_a_slice_of_the_file_sells_to_the_cent_through_the_api(
    api: str, environ: dict[str, str], tmp_path: Path
) -> None:
    """With the one return that finds its sale, and the ticket before it."""
    (path,) = [path for path in FILES if read_plan(path).returns]
    wanted = {step.invoice for step in read_plan(path).returns} | {
        step.ticket.invoice for step in read_plan(path).returns
    }
    header, *rows = path.read_text().splitlines()
    kept = [row for number, row in enumerate(rows) if number < 250 or row.split(",")[0] in wanted]
    part, acks = tmp_path / "part.csv", tmp_path / "acks"
    part.write_text("\n".join([header, *kept]) + "\n")
    command = [
        sys.executable,
        "-m",
        "app.cli",
        "replay",
        str(part),
        "--url",
        api,
        "--clients",
        "4",
        "--ack-file",
        str(acks),
    ]
    done = subprocess.run(command, env=os.environ | environ, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"all       {len(kept)} lines of {len(kept)} in the file" in done.stdout
    assert "reconciler: difference 0\n" in done.stdout
    assert re.search(r"returned +1 lines in 1 returns", done.stdout)
    for _, reason in refusals_of(part):
        assert reason in done.stdout
    acknowledged = [entry.split() for entry in acks.read_text().splitlines()]
    assert len({sale_id for sale_id, _ in acknowledged}) == len(read_plan(part).tickets)
    assert sum(Decimal(total) for _, total in acknowledged) == pesos_of(part)


def test_a_server_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.cli.replay.shop._PATIENCE_SECONDS", 0.2)
    from app.cli import main

    assert main(["replay", str(FILES[0]), "--url", f"http://127.0.0.1:{free_port()}", "--clients", "1"]) == 1
    assert main(["replay", str(tmp_path / "none.csv"), "--url", "http://127.0.0.1:1"]) == 2
