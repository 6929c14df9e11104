"""A few threads beside the event loop for work that costs, with a queue that ends somewhere.

The loop's own threads are shared by everything that is drawn or read there: who may fill them stops everybody.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TypeVar

from app.lib.errors import Unavailable

_Result = TypeVar("_Result")


class BoundedThreads:
    """Runs one kind of work; `refusal` is said, in Spanish, when too much of it waits already."""

    def __init__(self, name: str, *, at_once: int, longest_queue: int, refusal: str) -> None:
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix=name)
        self._most = at_once + longest_queue
        self._refusal = refusal
        self._waiting = 0
        self._counting = Lock()

    async def run(self, work: Callable[..., _Result], *arguments: object) -> _Result:
        """Do it in turn. Raises `Unavailable` when too many wait already.

        A caller that gives up frees its place only when the thread is done: the work goes on.
        """
        with self._counting:
            if self._waiting >= self._most:
                raise Unavailable(self._refusal, headers={"Retry-After": "2"})
            self._waiting += 1
        future = self._threads.submit(work, *arguments)
        future.add_done_callback(self._done)
        return await asyncio.wrap_future(future)

    def _done(self, _future: object) -> None:
        # Called by the thread.
        with self._counting:
            self._waiting -= 1
