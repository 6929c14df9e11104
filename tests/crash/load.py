"""The seller as the suite holds it: a process of its own, that nothing here kills before it has settled everything."""

import asyncio
import signal
import subprocess
import sys
import time

import msgspec

from app.dev.processes import spawn
from tests.crash.house import ROOT, House
from tests.crash.ledger import Reader, ShopRecord, Summary

SETTLE_SECONDS = 240.0


class LoadFailed(Exception):
    """The seller ended, or sold nothing; the message carries the end of its log."""


class Load:
    """One run of the seller against a house, from open shops to a settled ledger."""

    def __init__(
        self, house: House, name: str, *, clients: int, shops: int, sign_ups: float = 0, only_sales: bool = False
    ) -> None:
        self.clients = clients
        self._folder = house.folder / name
        self._folder.mkdir()
        self._log = self._folder / "seller.log"
        self.ledger = Reader(self._folder / "acknowledged.jsonl")
        self.shops: list[ShopRecord] = []
        command = [sys.executable, "-m", "tests.crash.seller", house.url, str(self._folder)]
        command += [str(clients), str(shops), str(sign_ups), *(["--only-sales"] if only_sales else [])]
        self._process: subprocess.Popen[bytes] = spawn(command, log=self._log, folder=ROOT)

    async def opened(self) -> None:
        """Wait until the shops are open and every client has sold."""
        file = self._folder / "shops.json"
        while not file.exists():
            self._check()
            await asyncio.sleep(0.05)
        self.shops = msgspec.json.decode(file.read_bytes(), type=list[ShopRecord])
        await self.sold(self.clients)

    async def sold(self, more: int) -> None:
        """Wait until so many more writes were acknowledged. Raises `LoadFailed`."""
        wanted = self.ledger.refresh() + more
        deadline = time.monotonic() + SETTLE_SECONDS
        while self.ledger.refresh() < wanted:
            self._check()
            if time.monotonic() > deadline:
                raise LoadFailed(f"nothing more was sold; see {self._log}")
            await asyncio.sleep(0.02)

    async def settle(self) -> Summary:
        """Let every request that was begun get its answer, then end. Raises `LoadFailed`."""
        self._process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(self._process.wait, SETTLE_SECONDS)
        if code != 0:
            raise LoadFailed(self._words())
        self.ledger.refresh()
        return msgspec.json.decode((self._folder / "summary.json").read_bytes(), type=Summary)

    def end(self) -> None:
        """Leave nothing behind when the suite itself failed."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _check(self) -> None:
        if self._process.poll() is not None:
            raise LoadFailed(self._words())

    def _words(self) -> str:
        return f"the seller ended; the end of {self._log}:\n{self._log.read_text(errors='replace')[-3000:]}"
