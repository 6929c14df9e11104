"""The desk of the DIAN simulator, for the demo shop and the tests: enrol companies, move its clock, break it, look inside."""

from datetime import date, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec

_PATIENCE: Final = 10.0


class Numbering(msgspec.Struct, kw_only=True):
    """A range that it gave to a company."""

    authorization: str
    prefix: str
    first: int
    last: int
    valid_from: str
    valid_to: str
    technical_key: str
    kinds: list[str]


class Taxpayer(msgspec.Struct, kw_only=True):
    """A company that may issue, with what it types into its settings."""

    nit: str
    software_id: str
    pin: str
    test_set_id: str
    p12: bytes
    password: str
    ranges: list[Numbering]

    def numbering(self, kind: str) -> Numbering:
        """The range of a type of document, such as 01 or 20."""
        return next(each for each in self.ranges if kind in each.kinds)


class DianDesk:
    """Speaks to the control door beside the service at `url`. Raises `httpx.HTTPError` when that goes wrong."""

    def __init__(self, url: str) -> None:
        self.url = url
        parts = urlsplit(url)
        self._http = httpx.Client(
            base_url=f"{parts.scheme}://{parts.netloc}/control/", timeout=_PATIENCE, trust_env=False
        )

    def enrol(self, nit: str, name: str, **more: Any) -> Taxpayer:
        """Certificate, program, ranges and test set of a company; `more` as `dian_simulator.enrolment.Enrol`."""
        return msgspec.convert(
            self.ask("POST", "companies", {"nit": nit, "name": name, **more}), Taxpayer, strict=False
        )

    def add(self, **registry: Any) -> None:
        """Add to what DIAN knows: `acquirers`, `contingencies`, `revoked`, `issuers`, `ranges`, `trusted`, …"""
        self.ask("POST", "registry", registry)

    def change(self, **fields: Any) -> None:
        """Replace parts of what DIAN knows."""
        self.ask("PUT", "registry", {**self.ask("GET", "registry"), **fields})

    def stand_at(self, instant: datetime) -> None:
        """Stop its clock."""
        self.ask("PUT", "clock", {"now": instant, "stands": True})

    def run_from(self, instant: datetime) -> None:
        self.ask("PUT", "clock", {"now": instant})

    def now(self) -> datetime:
        return datetime.fromisoformat(self.ask("GET", "clock")["now"])

    def break_(self, kind: str, **more: Any) -> None:
        """Plant a fault, by `dian_simulator.faults.Fault`."""
        self.ask("POST", "faults", {"kind": kind, **more})

    def mend(self) -> None:
        self.ask("DELETE", "faults")

    def outage(self, start: datetime, end: datetime, *, declared: bool = True, status: int = 503) -> None:
        """Away in a window of its clock; when it is declared, contingency documents may be signed in it."""
        self.ask("POST", "outages", {"start": start, "end": end, "declared": declared, "status": status})

    def valid(self) -> list[dict[str, str]]:
        """What it accepted: issuer, kind, number, uuid, date."""
        found: list[dict[str, str]] = self.ask("GET", "documents")["valid"]
        return found

    def register(self, issuer: str, number: str, uuid: str, day: date, kind: str = "01") -> None:
        """A valid document of somebody else, for events about it."""
        self.ask("POST", "documents", {"issuer": issuer, "number": number, "uuid": uuid, "date": day, "kind": kind})

    def arrivals(self, uuid: str) -> int:
        """How often a document arrived, whatever became of it."""
        return int(self.ask("GET", "documents")["sent"].get(uuid, 0))

    def reset(self) -> None:
        """As new; certificates that it made stay good."""
        self.ask("POST", "reset")

    def ask(self, method: str, path: str, body: object = None) -> Any:
        content = b"" if body is None else msgspec.json.encode(body)
        answer = self._http.request(method, path, content=content)
        if answer.is_client_error:
            raise httpx.HTTPStatusError(answer.text, request=answer.request, response=answer)
        return answer.raise_for_status().json()

    def close(self) -> None:
        self._http.close()
