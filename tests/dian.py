"""The DIAN simulator as a process of its own, for tests that talk to it over HTTP."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx

from app.dev.dian_desk import DianDesk
from app.dev.processes import end, free_port, spawn

_PATIENCE = 30.0


class DianProcess:
    """`python -m app.dev.dian_simulator` in a folder. The port stays over a restart, and so does what it stored."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.root = f"http://127.0.0.1:{self.port}"
        self.desk = DianDesk(f"{self.root}/WcfDianCustomerServices.svc")
        self.log = folder / "dian.log"
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Return when it answers; nothing to do if it runs."""
        if self._process is not None and self._process.poll() is None:
            return
        command = [sys.executable, "-m", "app.dev.dian_simulator", str(self.port), str(self.folder), *self._arguments]
        self._process = spawn(command, log=self.log, environment=os.environ)
        deadline = time.monotonic() + _PATIENCE
        while not self._is_ready():
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, "the simulator does not answer"
            time.sleep(0.05)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            end(self._process, number, 5)

    def restart(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it, by default without warning, and start it again."""
        self.stop(number)
        self.start()

    def close(self) -> None:
        self.stop()
        self.desk.close()

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.root}/ready", timeout=2, trust_env=False).is_success
        except httpx.TransportError:
            return False
