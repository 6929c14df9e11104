"""The services of one data folder, and the environment that ties them together."""

import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import asyncpg

from app import __version__
from app.dev import environment
from app.dev.environment import DATABASE, Secrets, configured, without_credentials
from app.dev.postgres import EmbeddedPostgres
from app.dev.processes import free_port
from app.dev.redis import EmbeddedRedis
from app.dev.services import Program, Server, Service, accepts, answers_http
from app.dev.sockets import make_socket_folder, socket_folder

CLI = (sys.executable, "-m", "app.cli")

_LARGEST_LOG = 10_000_000
"""Bytes; a longer log is put aside at the next start."""


class Installation:
    """What runs for one data folder. `program` is the command line that `migrate`, `api` and the others follow."""

    def __init__(self, data: Path, port: int, program: Sequence[str]) -> None:
        self.data = data
        self.port = port
        self.mail = data / "mail"
        self.dian = data / "dian"
        self.stripe = data / "stripe"
        self.clock = data / "clock.json"
        self.secrets = Secrets.load(data)
        self.control = socket_folder(data / "run") / "control.sock"
        self._program = program
        self._logs = data / "logs"
        self._postgres = None if configured("DATABASE_URL") else EmbeddedPostgres(data / "postgresql")
        self._redis = None if configured("REDIS_URL") else EmbeddedRedis(data / "redis")
        self._smtp_port = None if configured("SMTP_HOST") else free_port()
        self._dian_port = None if configured("DIAN_URL") else free_port()
        self._stripe_port = None if configured("STRIPE_SECRET_KEY") else free_port()
        for folder in (self.mail, self.dian, self.stripe, self._logs):
            folder.mkdir(mode=0o700, exist_ok=True)
        make_socket_folder(self.control.parent, None)
        # Of a launcher that was killed: its lock is ours now.
        self.control.unlink(missing_ok=True)
        self._put_long_logs_aside()

    def foundation(self) -> list[Service]:
        """What the programs need, as far as the caller's environment does not bring it."""
        services: list[Service] = []
        if self._postgres:
            services.append(Server(self._postgres, f"postgresql://127.0.0.1:{self._postgres.port}/{DATABASE}"))
        if self._redis:
            services.append(Server(self._redis, f"redis://127.0.0.1:{self._redis.port}/0"))
        if self._smtp_port:
            services.append(
                Program(
                    "smtp",
                    [sys.executable, "-m", "app.dev.smtp", str(self._smtp_port), str(self.mail)],
                    environment=os.environ,
                    log=self.log("smtp"),
                    version=__version__,
                    url=f"smtp://127.0.0.1:{self._smtp_port}",
                    ready=partial(accepts, self._smtp_port),
                )
            )
        if self._dian_port:
            services.append(
                Program(
                    "dian",
                    [
                        *(sys.executable, "-m", "app.dev.dian_simulator"),
                        *(str(self._dian_port), str(self.dian), str(self.clock)),
                    ],
                    environment=os.environ,
                    log=self.log("dian"),
                    version=__version__,
                    url=self._dian_url(self._dian_port),
                    ready=partial(answers_http, self._dian_port, "/ready"),
                )
            )
        if self._stripe_port:
            hook = f"http://127.0.0.1:{self.port}/billing/webhooks/stripe"
            services.append(
                Program(
                    "stripe",
                    [
                        *(sys.executable, "-m", "app.dev.stripe_fake"),
                        *(str(self._stripe_port), str(self.stripe), str(self.clock), hook),
                        self.secrets.stripe_webhook_secret,
                    ],
                    environment=os.environ,
                    log=self.log("stripe"),
                    version=__version__,
                    url=f"http://127.0.0.1:{self._stripe_port}",
                    ready=partial(answers_http, self._stripe_port, "/ready"),
                )
            )
        return services

    def outside(self) -> dict[str, str]:
        """Addresses, without credentials, of what the caller brings."""
        names = {"postgresql": "DATABASE_URL", "redis": "REDIS_URL", "smtp": "SMTP_HOST", "dian": "DIAN_URL"}
        brought = {service: configured(variable) for service, variable in names.items()}
        return {service: without_credentials(url) for service, url in brought.items() if url}

    def programs(self) -> list[Service]:
        """Worker, monitor and, last, the API: its port opens when everything else is there."""
        worker = self._program_service("worker", "--queue", "all")
        monitor = self._program_service("monitor")
        api = Program(
            "api",
            self.command("api", "--port", str(self.port)),
            environment=self.environment(),
            log=self.log("api"),
            version=__version__,
            url=f"http://127.0.0.1:{self.port}",
            ready=partial(answers_http, self.port, "/health/live"),
        )
        return [worker, monitor, api]

    def command(self, *words: str) -> list[str]:
        return [*self._program, *words]

    def log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def environment(self) -> dict[str, str]:
        """The whole environment of a program, once the servers run."""
        return {**os.environ, **self.chosen()}

    def chosen(self) -> dict[str, str]:
        """Only the variables that are ours to choose."""
        variables = environment.defaults(self.secrets, self.port, self.clock, self.mail)
        # Inside the data folder, so that nothing of an installation outlives it.
        variables["ALERT_SPOOL_DIR"] = str(self.data / "alerts")
        chosen = {name: configured(name) or value for name, value in variables.items()}
        chosen["MOSTRADOR_DEV_CONTROL"] = str(self.control)
        if self._postgres:
            app = self._postgres.url("mostrador_app", self.secrets.app_password, DATABASE)
            chosen |= {
                "DATABASE_URL": app,
                "DATABASE_DIRECT_URL": app,
                "DATABASE_ADMIN_URL": self._postgres.admin_url(DATABASE),
                "DATABASE_PLATFORM_URL": self._postgres.url(
                    "mostrador_platform", self.secrets.platform_password, DATABASE
                ),
                "DATABASE_BACKUP_URL": self._postgres.url("mostrador_backup", self.secrets.backup_password, DATABASE),
            }
        if self._redis:
            chosen["REDIS_URL"] = self._redis.url()
        if self._smtp_port:
            chosen |= {
                "SMTP_HOST": "127.0.0.1",
                "SMTP_PORT": str(self._smtp_port),
                "SMTP_USER": "",
                "SMTP_PASS": "",
                "SMTP_TLS": "none",
            }
        if self._dian_port:
            chosen["DIAN_URL"] = self._dian_url(self._dian_port)
        if self._stripe_port:
            chosen |= {
                "STRIPE_SECRET_KEY": "sk_test_mostrador",
                "STRIPE_WEBHOOK_SECRET": self.secrets.stripe_webhook_secret,
                "STRIPE_URL": f"http://127.0.0.1:{self._stripe_port}",
            }
        return chosen

    async def make_database(self) -> None:
        """The empty database, where the server is ours; its tables and roles are the migration's."""
        if self._postgres is None:
            return
        connection = await asyncpg.connect(self._postgres.admin_url())
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute(f"CREATE DATABASE {DATABASE}")
        finally:
            await connection.close()

    @staticmethod
    def _dian_url(port: int) -> str:
        return f"http://127.0.0.1:{port}/WcfDianCustomerServices.svc"

    def _program_service(self, name: str, *words: str) -> Service:
        return Program(
            name,
            self.command(name, *words),
            environment=self.environment(),
            log=self.log(name),
            version=__version__,
        )

    def _put_long_logs_aside(self) -> None:
        for log in list(self.data.glob("*/*.log")):
            if log.stat().st_size > _LARGEST_LOG:
                log.rename(log.with_suffix(".log.1"))
