"""Which PostgreSQL and Redis the tests run against: those of the wheels, or a machine's own as the second leg.

`make test POSTGRES=/usr/lib/postgresql/15/bin REDIS=/usr/bin/redis-server` runs everything on Debian 12's packages.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from app.dev.postgres import EmbeddedPostgres
from app.dev.redis import EmbeddedRedis


class InstalledPostgres(EmbeddedPostgres):
    """The programs of a folder of this machine; older ones know no built-in locale."""

    locale: ClassVar[tuple[str, ...]] = ("--locale=C.UTF-8",)

    @property
    def programs(self) -> Path:
        return Path(os.environ["POSTGRES"])

    def tool(self, name: str) -> str:
        return str(self.programs / name)


class InstalledRedis(EmbeddedRedis):
    """A `redis-server` of this machine."""

    @property
    def program(self) -> Path:
        return Path(os.environ["REDIS"])


def postgres_in(data: Path, settings: Mapping[str, str]) -> EmbeddedPostgres:
    """The PostgreSQL of this run, not started yet."""
    return (InstalledPostgres if os.environ.get("POSTGRES") else EmbeddedPostgres)(data, settings)


def redis_in(data: Path) -> EmbeddedRedis:
    """The Redis of this run, not started yet."""
    return (InstalledRedis if os.environ.get("REDIS") else EmbeddedRedis)(data)
