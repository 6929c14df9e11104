"""The `/dev` routes: they exist only under `mostrador up` and need neither login nor database."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from litestar import Response, Router, delete, get, post
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta

from app.dev.control import (
    FAULTS,
    SERVICES,
    Answer,
    AnyRequest,
    ClearFaults,
    MoveClock,
    PutFault,
    Refused,
    ServiceOut,
    ShowServices,
    ask,
)
from app.dev.mailbox import MailList, attachment, received
from app.lib.errors import NotFound, RuleBroken, Unavailable
from app.lib.schemas import Input


class SetClock(Input):
    now: Annotated[datetime, Meta(tz=True)] | None


class BreakService(Input):
    service: SERVICES
    fault: FAULTS
    seconds: Annotated[float, Meta(gt=0)] | None = None
    """Of a freeze or a misbehaviour; `stop` lasts until `DELETE`, `kill` is an instant."""


def dev_router(control: Path, mail: Path) -> Router:
    """The doors of the launcher that listens on `control` and whose mail sink keeps its messages in `mail`."""

    async def launcher(request: AnyRequest) -> Answer:
        try:
            return await ask(control, request)
        except Refused as refusal:
            raise RuleBroken(str(refusal), code="fault-refused") from refusal
        except OSError as gone:
            raise Unavailable("El lanzador no responde.", headers={"Retry-After": "1"}) from gone

    @get("/services", operation_id="ShowDevServices")
    async def show_services() -> dict[str, ServiceOut]:
        return (await launcher(ShowServices())).services

    @get("/mail", operation_id="ListDevMail", sync_to_thread=True)
    def list_mail(to: FromQuery[str | None] = None) -> MailList:
        return MailList(items=received(mail, to))

    @get("/mail/{message:str}/attachments/{number:int}", operation_id="GetDevMailAttachment", sync_to_thread=True)
    def get_attachment(message: FromPath[str], number: FromPath[int]) -> Response[bytes]:
        found = attachment(mail, message, number)
        if found is None:
            raise NotFound("No hay tal adjunto.")
        name, kind, content = found
        disposition = f"attachment; filename*=UTF-8''{quote(name)}"
        return Response(content, media_type=kind, headers={"Content-Disposition": disposition})

    @post("/clock", operation_id="SetDevClock", status_code=200)
    async def set_clock(data: JSONBody[SetClock]) -> SetClock:
        offset = (data.now - datetime.now(UTC)).total_seconds() if data.now else 0.0
        await launcher(MoveClock(offset_seconds=offset))
        return data

    @post("/faults", operation_id="PutDevFault", status_code=200)
    async def put_fault(data: JSONBody[BreakService]) -> BreakService:
        await launcher(PutFault(service=data.service, fault=data.fault, seconds=data.seconds))
        return data

    @delete("/faults", operation_id="ClearDevFaults")
    async def clear_faults() -> None:
        await launcher(ClearFaults())

    return Router(
        "/dev",
        route_handlers=[show_services, list_mail, get_attachment, set_clock, put_fault, clear_faults],
        tags=["Development"],
        include_in_schema=False,
    )
