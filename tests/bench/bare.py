"""The yardstick made ready: filled and analysed, served with its best pool, and held against pgbench."""

import asyncio
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from random import Random
from time import perf_counter

import asyncpg

from app.dev.postgres import SUPERUSER
from app.dev.processes import free_port
from tests.bench.client import Job
from tests.bench.house import House, Server
from tests.bench.measure import measure
from tests.bench.report import say
from tests.bench.sources import PRODUCTS, nth
from tests.bench.yardstick import SALE

PAST_SALES = 100_000
POOLS = (4, 8, 16)
CALLERS = 8
_SQL = Path(__file__).with_name("yardstick.sql")
_TPS = re.compile(r"^tps = ([\d.]+)", re.MULTILINE)
_PGBENCH = """\
\\set a random(1, 66)
\\set b random(67, 132)
\\set c random(133, 198)
select number from bare_sale(nth(1), nth(1), array[nth(:a), nth(:b), nth(:c)], array[1, 2, 1]::numeric[], 'cash');
"""


class Yardstick:
    """The bare endpoint of one bench run."""

    def __init__(self, house: House, past_sales: int = PAST_SALES) -> None:
        self._house = house
        self._past_sales = past_sales
        self._dsn = ""
        self.pool = 0
        self.server: Server | None = None

    async def prepare(self, seconds: float) -> None:
        """Fill, analyse, connect afresh, and keep the pool that is fastest with 8 clients, in one and in ten shops."""
        self._dsn = await self._house.create_database("yardstick")
        say(f"yardstick: filling {self._past_sales:,} sales")
        await self._house.postgres_do(
            "yardstick",
            _SQL.read_text(),
            f"set search_path = yardstick; call fill({self._past_sales})",
            "vacuum analyze",
            "checkpoint",
        )
        rates: dict[int, float] = {}
        for pool in POOLS:
            server = self._serve(pool)
            await server.answering("/one")
            rates[pool] = 0.0
            for shops in (1, 10):
                job = self.job(server, shops=shops, clients=CALLERS, seconds=seconds)
                rates[pool] += (await measure(job, {})).rate
            self._house.stop(server)
            say(f"yardstick: pool of {pool}: {rates[pool] / 2:.0f}/s")
        self.pool = max(rates, key=lambda pool: rates[pool])
        self.server = self._serve(self.pool)
        await self.server.answering("/one")

    def job(self, server: Server, *, shops: int, clients: int, seconds: float) -> Job:
        return Job(
            port=server.port,
            clients=clients,
            seconds=seconds,
            source="tests.bench.sources:bare_sales",
            arguments={"shops": shops},
        )

    def _serve(self, pool: int) -> Server:
        port = free_port()
        environment = {"YARDSTICK_DSN": self._dsn}
        return self._house.serve("yardstick", ["tests.bench.yardstick", str(port), str(pool)], environment, port)

    async def call_directly(self, seconds: float) -> tuple[float, str]:
        """Calls a second of the same function without HTTP, 8 callers in one shop, and the name of the caller."""
        try:
            program = self._house.postgres.tool("pgbench")
        except FileNotFoundError:
            return await self._own_callers(seconds), "asyncpg (pgbench is not among the installed programs)"
        return await asyncio.to_thread(self._pgbench, program, seconds), "pgbench"

    def _pgbench(self, program: str, seconds: float) -> float:
        postgres = self._house.postgres
        script = self._house.data / "bare-sale.sql"
        script.write_text(_PGBENCH)
        done = subprocess.run(
            [
                program,
                "-n",
                "-M",
                "prepared",
                "-f",
                script,
                "-c",
                str(CALLERS),
                "-j",
                "1",
                "-T",
                str(max(1, round(seconds))),
            ],
            env={
                "PATH": os.defpath,
                "PGHOST": "127.0.0.1",
                "PGPORT": str(postgres.port),
                "PGUSER": SUPERUSER,
                "PGPASSWORD": postgres.password,
                "PGDATABASE": "yardstick",
                "PGOPTIONS": "-c search_path=yardstick",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        found = _TPS.search(done.stdout)
        if done.returncode != 0 or found is None:
            raise RuntimeError(f"pgbench ended with {done.returncode}:\n{done.stderr[-2000:]}")
        return float(found[1])

    async def _own_callers(self, seconds: float) -> float:
        pick = Random(5).randint
        products = [nth(n) for n in range(1, PRODUCTS + 1)]
        third = PRODUCTS // 3
        until = perf_counter() + seconds

        async def call() -> int:
            connection = await asyncpg.connect(self._dsn, server_settings={"search_path": "yardstick"})
            calls = 0
            while perf_counter() < until:
                chosen: Sequence[object] = [products[n * third + pick(0, third - 1)] for n in range(3)]
                await connection.fetchrow(SALE, nth(1), nth(1), chosen, [1, 2, 1], "cash")
                calls += 1
            await connection.close()
            return calls

        return sum(await asyncio.gather(*(call() for _ in range(CALLERS)))) / seconds
