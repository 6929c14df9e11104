"""The control door: how whoever runs the simulator arranges what it knows and how it behaves.

| Control | |
|---|---|
| `GET /ready` | 200 |
| `POST /control/companies` | `enrolment.Enrol`: a company with everything it needs; `enrolment.Enrolled` |
| `GET`, `PUT`, `POST /control/registry` | show, replace, add to its lists (`registry.Registry`) |
| `POST /control/certificates` `{nit, name, password}` | a .p12 of the simulator's own entity, in base64 |
| `GET`, `PUT /control/clock` `{now: instant or null, stands?: bool}` | null is real time, or the launcher's |
| `GET`, `POST`, `DELETE /control/faults` | `faults.Fault` |
| `POST /control/outages` `{start, end, status?, declared?}` | 503 to everything in that window; declared, it is a contingency too |
| `GET`, `DELETE /control/documents` | valid and rejected ones, and how often each arrived |
| `POST /control/documents` | `Foreign`: a valid document of somebody else, for events about it |
| `PUT /control/batches` `{pendingCalls}` | how often GetStatusZip says that it is not ready |
| `POST /control/reset` | as new; only the keys stay |
"""

import base64
from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec

from app.dev.dian_simulator.enrolment import Enrol, enrol
from app.dev.dian_simulator.faults import Fault, Instant
from app.dev.dian_simulator.registry import Contingency, Registry
from app.dev.dian_simulator.store import Stored

if TYPE_CHECKING:
    from app.dev.dian_simulator.server import Simulator


class SetClock(msgspec.Struct, forbid_unknown_fields=True):
    now: Instant | None
    stands: bool = False


class Outage(msgspec.Struct, forbid_unknown_fields=True):
    start: Instant
    end: Instant
    status: int = 503
    declared: bool = True
    """A contingency, in which documents of type 04 and 08 may be signed."""


class Certificate(msgspec.Struct, forbid_unknown_fields=True):
    nit: str
    name: str
    password: str


class Batches(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    pending_calls: int


class Foreign(msgspec.Struct, forbid_unknown_fields=True):
    issuer: str
    number: str
    uuid: str
    date: date
    kind: str = "01"


def control(server: "Simulator", command: str, path: str, body: bytes) -> Any:
    """One request at the control door; None for what it does not know. Raises `msgspec.DecodeError` for a wrong body."""
    match command, path.removeprefix("/control/"):
        case _, "registry" | "companies" | "certificates" as what:
            return _registers(server, command, what, body)
        case _, "faults" | "outages" as what:
            return _faults(server, command, what, body)
        case "GET", "clock":
            return {"now": server.clock.now()}
        case "PUT", "clock":
            return _move(server, msgspec.json.decode(body, type=SetClock))
        case "GET", "documents":
            return _documents(server)
        case "POST", "documents":
            foreign = msgspec.json.decode(body, type=Foreign)
            key = (foreign.issuer, foreign.kind, foreign.number)
            server.service.store.keep(
                Stored(key=key, uuid=foreign.uuid, date=foreign.date.isoformat(), kind=foreign.kind)
            )
            return {}
        case "DELETE", "documents":
            server.service.store.clear()
            return {}
        case "PUT", "batches":
            server.service.pending_calls = msgspec.json.decode(body, type=Batches).pending_calls
            return {}
        case "POST", "reset":
            server.service.reset()
            server.faults.clear()
            server.clock.follow()
            return {}
        case _:
            return None


def _registers(server: "Simulator", command: str, what: str, body: bytes) -> Any:
    service = server.service
    match command, what:
        case "POST", "certificates":
            asked = msgspec.json.decode(body, type=Certificate)
            made = service.authority.issue(asked.nit, asked.name, asked.password, server.clock.now())
            return {"p12": base64.b64encode(made).decode()}
        case "POST", "companies":
            company = msgspec.json.decode(body, type=Enrol)
            enrolled = enrol(company, service.registry, service.authority, server.clock.now())
            service.save_registry()
            return enrolled
        case "GET", "registry":
            return service.registry
        case "PUT", "registry":
            service.registry = msgspec.json.decode(body, type=Registry)
        case "POST", "registry":
            service.registry.add(msgspec.json.decode(body, type=Registry))
        case _:
            return None
    service.save_registry()
    return service.registry


def _faults(server: "Simulator", command: str, what: str, body: bytes) -> Any:
    match command, what:
        case "GET", "faults":
            return server.faults.all()
        case "POST", "faults":
            return {"id": server.faults.plant(msgspec.json.decode(body, type=Fault))}
        case "POST", "outages":
            outage = msgspec.json.decode(body, type=Outage)
            if outage.declared:
                server.service.registry.contingencies.append(Contingency(start=outage.start, end=outage.end))
                server.service.save_registry()
            fault = Fault(kind="status", status=outage.status, start=outage.start, end=outage.end)
            return {"id": server.faults.plant(fault)}
        case "DELETE", "faults":
            server.faults.clear()
            return {}
        case _:
            return None


def _move(server: "Simulator", wanted: SetClock) -> Any:
    if wanted.now is None:
        server.clock.follow()
    elif wanted.stands:
        server.clock.stand_at(wanted.now)
    else:
        server.clock.run_from(wanted.now)
    return {"now": server.clock.now()}


def _documents(server: "Simulator") -> Any:
    store = server.service.store
    return {
        "valid": [
            {"issuer": each.key[0], "kind": each.kind, "number": each.key[2], "uuid": each.uuid, "date": each.date}
            for each in store.by_key.values()
        ],
        "rejected": [
            {"number": each.number, "uuid": each.uuid, "rules": [str(rule) for rule in each.verdict.rules]}
            for each in store.rejected.values()
        ],
        "sent": store.sent,
    }
