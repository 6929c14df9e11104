"""What the load generator says about a server, whatever the server does."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.bench.client import Job, Outcome, Source, generate
from tests.bench.measure import percentile

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def always(body: bytes = b"") -> Source:
    return lambda _: (b"POST", b"/v1/sales", b"x-till: 1\r\n", body)


def load(handler: Handler, *, clients: int = 2, keep_bodies: bool = False, source: Source | None = None) -> Outcome:
    """Run the generator for a moment against a server made of one handler."""

    async def run() -> Outcome:
        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            job = Job(port=port, clients=clients, seconds=0.2, warmup=0.05, source="", keep_bodies=keep_bodies)
            return await generate(job, source or always(), lambda _: None)

    return asyncio.run(run())


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    return head, await reader.readexactly(length)


def answering(answer: bytes, seen: list[tuple[bytes, bytes]] | None = None) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await read_request(reader)
                if seen is not None:
                    seen.append(request)
                writer.write(answer)
        except asyncio.IncompleteReadError:
            writer.close()

    return handle


def test_a_sale_is_sent_whole_and_its_answer_counted_once() -> None:
    seen: list[tuple[bytes, bytes]] = []
    outcome = load(
        answering(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}", seen), source=always(b'{"lines":[]}')
    )
    assert seen[0] == (
        b"POST /v1/sales HTTP/1.1\r\nhost: localhost\r\nx-till: 1\r\ncontent-length: 12\r\n\r\n",
        b'{"lines":[]}',
    )
    assert outcome.statuses.keys() == {201}
    assert 0 < outcome.statuses[201] <= len(seen)
    assert len(outcome.latencies) == outcome.statuses[201]
    assert outcome.failed == 0


def test_a_refused_sale_is_an_error_with_the_words_of_the_server() -> None:
    outcome = load(answering(b"HTTP/1.1 422 Unprocessable Entity\r\ncontent-length: 5\r\n\r\nshort"))
    assert outcome.errors.keys() == {"422"}
    assert outcome.rate == 0
    assert set(outcome.refusals) == {"short"}


def test_an_answer_in_pieces_is_one_answer() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await read_request(reader)
                for piece in (b"HTTP/1.1 200 OK\r\ncontent-le", b"ngth: 6\r\n\r\nabc", b"def"):
                    writer.write(piece)
                    await asyncio.sleep(0.002)
        except asyncio.IncompleteReadError:
            writer.close()

    outcome = load(handle, keep_bodies=True)
    assert set(outcome.bodies) == {"abcdef"}
    assert outcome.failed == 0


def test_a_till_whose_connection_breaks_mid_sale_counts_the_loss_and_comes_back() -> None:
    opened = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        try:
            await read_request(reader)
            opened += 1
        except asyncio.IncompleteReadError:
            pass  # a connection that came back when the run was over
        writer.close()

    outcome = load(handle, clients=1)
    assert opened > 1
    assert outcome.errors == {"connection lost: closed": opened}
    assert outcome.statuses == {}


def test_an_answer_without_a_length_stops_the_run() -> None:
    with pytest.raises(RuntimeError, match="chunked"):
        load(answering(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"))


@pytest.mark.parametrize(
    ("percent", "expected"),
    [(50, 50.0), (95, 95.0), (99, 99.0), (100, 100.0)],
    ids=["median", "p95", "p99", "worst"],
)
def test_a_percentile_is_the_time_that_so_many_sales_kept_to(percent: float, expected: float) -> None:
    assert percentile([float(n) for n in range(1, 101)], percent) == expected
    assert percentile([7.0], percent) == 7.0
