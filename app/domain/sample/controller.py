"""HTTP face of a person's sample company."""

from typing import Final

from litestar import Controller, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.status_codes import HTTP_202_ACCEPTED

from app.db.session import Work
from app.domain.sample.schemas import SampleOut
from app.domain.sample.service import SampleService
from app.lib.access import requires

ANYONE: Final = requires(None, in_suspended=True)
"""The sample is the person's, whatever they are, and whatever the state of the company they come from."""


def provide_samples(work: NamedDependency[Work]) -> SampleService:
    return SampleService(work)


class SampleController(Controller):
    path = "/demo"
    tags = ["Empresa de muestra"]
    dependencies = {"samples": Provide(provide_samples, sync_to_thread=False)}

    @post(operation_id="AskSample", guards=[ANYONE], status_code=HTTP_202_ACCEPTED)
    async def ask_sample(self, samples: NamedDependency[SampleService]) -> SampleOut:
        """Crea la empresa de muestra de la persona, con productos, clientes y un mes de ventas; si ya tiene una, es esa."""
        return await samples.ask()

    @get(operation_id="GetSample", guards=[ANYONE])
    async def get_sample(self, samples: NamedDependency[SampleService]) -> SampleOut:
        """Cómo va la empresa de muestra."""
        return await samples.read()

    @delete(operation_id="CloseSample", guards=[ANYONE])
    async def close_sample(self, samples: NamedDependency[SampleService]) -> None:
        """Cierra la empresa de muestra, esté llena o no; repetirlo no cambia nada."""
        await samples.close()
