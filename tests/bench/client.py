"""A lean load generator: keep-alive HTTP/1.1 on raw asyncio transports, in a process of its own.

It shares the machine with what it measures, so every microsecond it burns is taken from the server: no HTTP library,
one write a request, one search of the answer's head. `python -m tests.bench.client` reads one job from standard input
and writes JSON lines: `begin` when the warm-up is over, `end` when the window closes, then the outcome.
"""

import asyncio
import importlib
import re
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Literal, TypeAlias, cast

import msgspec
import uvloop

Arguments: TypeAlias = dict[str, object]
Request: TypeAlias = tuple[bytes, bytes, bytes, bytes]
"""Method, path, header lines (each ended by CRLF) and body."""
Source: TypeAlias = Callable[[int], Request]
"""Gives the next request of the client with that number, counted from 0."""

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0
"""Seconds that the last answers may take after the window before they count as lost."""
KEPT_REFUSALS = 5

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What one run sends. `source` is `module:factory`; the factory gets `arguments` and returns a `Source`."""

    port: int
    clients: int
    seconds: float
    source: str
    arguments: Arguments = {}
    warmup: float = 0.5
    keep_bodies: bool = False


class Outcome(msgspec.Struct, kw_only=True):
    """What one window saw: only answers that arrived inside it, except `errors`, which cover the whole run."""

    clients: int
    seconds: float
    statuses: dict[int, int]
    latencies: list[float]
    """Milliseconds from the write of the request to the last byte of its answer."""
    errors: dict[str, int]
    """Everything that was not a 2xx or 3xx answer, by status or reason, warm-up and tail included."""
    refusals: list[str]
    """The first bodies behind `errors`."""
    cpu: float
    """Milliseconds of this process per answer."""
    bodies: list[str]

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return sum(count for status, count in self.statuses.items() if status < 400) / self.seconds

    @property
    def failed(self) -> int:
        return sum(self.errors.values())


class Event(msgspec.Struct, frozen=True):
    """One line of the generator's output; only `done` carries the outcome."""

    event: Literal["begin", "end", "done"]
    outcome: Outcome | None = None


class _Run:
    """The state shared by all connections of one job."""

    def __init__(self, job: Job, source: Source) -> None:
        self.job = job
        self.source = source
        self.sending = True
        self.counting = False
        self.in_flight = 0
        self.quiet = asyncio.Event()
        self.open: set[asyncio.WriteTransport] = set()
        self.statuses: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.latencies: list[float] = []
        self.refusals: list[str] = []
        self.bodies: list[str] = []
        self.reconnecting: set[asyncio.Task[None]] = set()

    async def connect(self, number: int) -> None:
        await asyncio.get_running_loop().create_connection(
            lambda: _Connection(self, number), "127.0.0.1", self.job.port
        )

    def reconnect(self, number: int) -> None:
        task = asyncio.get_running_loop().create_task(self._reconnect(number))
        self.reconnecting.add(task)
        task.add_done_callback(self.reconnecting.discard)

    async def _reconnect(self, number: int) -> None:
        while self.sending:
            try:
                await self.connect(number)
            except OSError as refused:
                self.fail(f"connect: {type(refused).__name__}", b"")
                await asyncio.sleep(0.05)
            else:
                return

    def answered(self) -> None:
        self.in_flight -= 1
        if not self.in_flight and not self.sending:
            self.quiet.set()

    async def settled(self) -> None:
        """Stop sending and wait for the answers still on their way."""
        self.sending = False
        if self.in_flight:
            await self.quiet.wait()

    async def close(self) -> None:
        for task in self.reconnecting:
            task.cancel()
        for transport in self.open:
            transport.abort()
        # Aborted transports let go of their sockets in the loop's next turn.
        await asyncio.sleep(0.01)

    def fail(self, reason: str, body: bytes) -> None:
        self.errors[reason] += 1
        if body and len(self.refusals) < KEPT_REFUSALS:
            self.refusals.append(body.decode(errors="replace"))


class _Connection(asyncio.Protocol):
    """One client: sends the next request when the answer to the last one is complete."""

    __slots__ = ("_buffer", "_number", "_run", "_sent_at", "_transport", "_waiting")

    def __init__(self, run: _Run, number: int) -> None:
        self._run = run
        self._number = number
        self._buffer = b""
        self._waiting = False
        self._sent_at = 0.0
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._run.open.add(self._transport)
        self._send()

    def _send(self) -> None:
        if not self._run.sending:
            return
        method, path, headers, body = self._run.source(self._number)
        request = b"%b %b HTTP/1.1\r\nhost: localhost\r\n%bcontent-length: %d\r\n\r\n%b" % (
            method,
            path,
            headers,
            len(body),
            body,
        )
        assert self._transport is not None
        self._waiting = True
        self._run.in_flight += 1
        self._sent_at = perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        head = data.find(b"\r\n\r\n")
        if head < 0:
            self._buffer = data
            return
        found = _LENGTH.search(data, 0, head)
        if found is None and _CHUNKED.search(data, 0, head):
            raise RuntimeError("a chunked answer: this generator reads answers with a length only")
        if len(data) < head + 4 + (int(found[1]) if found else 0):
            self._buffer = data
            return
        self._buffer = b""
        self._answered(perf_counter(), int(data[9:12]), data, head + 4)

    def _answered(self, now: float, status: int, data: bytes, body_at: int) -> None:
        run = self._run
        self._waiting = False
        run.answered()
        if run.counting:
            run.statuses[status] += 1
            run.latencies.append((now - self._sent_at) * 1000)
        if status >= 400:
            run.fail(str(status), data[body_at:])
        elif run.job.keep_bodies:
            run.bodies.append(data[body_at:].decode())
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting:
            self._run.answered()
            self._run.fail(f"connection lost: {type(exc).__name__ if exc else 'closed'}", b"")
        if self._transport is not None:
            self._run.open.discard(self._transport)
        if self._run.sending:
            self._run.reconnect(self._number)


async def generate(job: Job, source: Source, announce: Callable[[str], None]) -> Outcome:
    """Send the job's requests from this process and return what its window saw."""
    run = _Run(job, source)
    broken: list[BaseException] = []

    def note(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        cause = context.get("exception")
        broken.append(cause if isinstance(cause, BaseException) else RuntimeError(str(context["message"])))

    asyncio.get_running_loop().set_exception_handler(note)
    for number in range(job.clients):
        await run.connect(number)
    await asyncio.sleep(job.warmup)
    announce("begin")
    started, cpu, run.counting = perf_counter(), process_time(), True
    await asyncio.sleep(job.seconds)
    run.counting = False
    seconds, cpu = perf_counter() - started, process_time() - cpu
    announce("end")
    try:
        async with asyncio.timeout(PATIENCE):
            await run.settled()
    except TimeoutError:
        run.errors["no answer"] += run.in_flight
    await run.close()
    if broken:
        raise broken[0]
    return Outcome(
        clients=job.clients,
        seconds=seconds,
        statuses=dict(run.statuses),
        latencies=run.latencies,
        errors=dict(run.errors),
        refusals=run.refusals,
        cpu=cpu * 1000 / max(1, len(run.latencies)),
        bodies=run.bodies,
    )


async def run_apart(job: Job, watch: Callable[[str], None]) -> Outcome:
    """Run a job in a process of its own; `watch` is called with `begin` and `end` of the window."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.client",
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 28,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(msgspec.json.encode(job))
        process.stdin.close()
        async for line in process.stdout:
            event = msgspec.json.decode(line, type=Event)
            if event.outcome is not None:
                return event.outcome
            watch(event.event)
        raise RuntimeError(f"the load generator ended with {await process.wait()} and no outcome")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _announce(event: str) -> None:
    sys.stdout.write(f'{{"event":"{event}"}}\n')
    sys.stdout.flush()


def main() -> None:
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    module, _, factory = job.source.partition(":")
    source = cast(Source, getattr(importlib.import_module(module), factory)(job.arguments))
    outcome = uvloop.run(generate(job, source, _announce))
    sys.stdout.buffer.write(msgspec.json.encode(Event("done", outcome)) + b"\n")


if __name__ == "__main__":
    main()
