"""A stand-in for the programs of the house, small but real: `small_shop.py migrate|demo|worker|monitor|api --port N`.

Its API is served by the same HTTP server as ours, with worker processes of its own, and carries the real `/dev` routes.
"""

import asyncio
import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import asyncpg
from granian.constants import Interfaces
from granian.server import Server
from litestar import Litestar, Request, Response, get

from app.dev.child import die_with_parent
from app.dev.doors import dev_router
from app.lib.errors import DomainError


@get("/health/live", sync_to_thread=False)
def live() -> None: ...


def refuse(_: Request[Any, Any, Any], refusal: DomainError) -> Response[dict[str, str]]:
    return Response({"code": refusal.code, "detail": refusal.detail}, status_code=refusal.status)


def create_app() -> Litestar:
    server = multiprocessing.parent_process()
    assert server
    assert server.pid
    die_with_parent(signal.SIGKILL, server.pid)
    doors = dev_router(Path(os.environ["MOSTRADOR_DEV_CONTROL"]), Path(os.environ["MOSTRADOR_DEV_MAIL"]))
    return Litestar([live, doors], exception_handlers={DomainError: refuse})


async def sell(statement: str) -> None:
    connection = await asyncpg.connect(os.environ["DATABASE_ADMIN_URL"])
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def main() -> None:
    match sys.argv[1]:
        case "migrate":
            asyncio.run(sell("CREATE TABLE IF NOT EXISTS sale (id int)"))
        case "demo":
            print("40 productos")
            asyncio.run(sell("INSERT INTO sale VALUES (1)"))
            print("demo: duena@tornillo.test clave-de-prueba")
        case "api":
            Server(
                "tests.dev.small_shop:create_app",
                factory=True,
                interface=Interfaces.ASGI,
                port=int(sys.argv[3]),
                workers=2,
            ).serve()
        case _:
            time.sleep(3600)


if __name__ == "__main__":
    main()
