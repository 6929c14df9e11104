"""The client of DIAN's service. Every call returns; what happened is in the outcome, never in an exception."""

import asyncio
import base64
import ssl
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Final, NamedTuple, TypeVar

import httpx

from app.integrations.dian.answers import (
    MAX_ANSWER,
    Answer,
    Element,
    Fault,
    Garbage,
    Outcome,
    Ranges,
    Receipt,
    parse,
    read_document,
    read_documents,
    read_ranges,
    read_receipt,
)
from app.integrations.dian.certificate import Credential
from app.integrations.dian.envelope import action_of, envelope
from app.lib import clock

HABILITATION: Final = "https://vpfe-hab.dian.gov.co/WcfDianCustomerServices.svc"
PRODUCTION: Final = "https://vpfe.dian.gov.co/WcfDianCustomerServices.svc"
SILENCE: Final = 60.0
"""Seconds without an answer after which the annex counts a call as lost."""
_CONNECT: Final = 10.0
_LONGEST: Final = 90.0
"""Seconds for a whole call: an answer that comes in drops never falls silent."""
_SERVER_ERROR: Final = 500
_OK: Final = 200
_FORBIDDEN: Final = 403

_Read = TypeVar("_Read")


class Failure(NamedTuple):
    """A call that brought no result."""

    outcome: Outcome
    message: str
    http_status: int | None
    is_outage: bool


@cache
def tls() -> ssl.SSLContext:
    """The usual trust; kept, since reading it costs more than signing a document."""
    return httpx.create_ssl_context()


def http_client(verify: bool | str | ssl.SSLContext = True, silence: float = SILENCE) -> httpx.AsyncClient:
    """A client with the limits that DIAN's service needs; share it, and close it at the end. `silence` in seconds."""
    limits = httpx.Timeout(silence, connect=min(_CONNECT, silence))
    return httpx.AsyncClient(timeout=limits, follow_redirects=False, trust_env=False, verify=verify)


class DianClient:
    """Speaks for one certificate to one address."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        endpoint: str,
        credential: Credential,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self._http = http
        self._endpoint = endpoint
        self._credential = credential
        self._now = now

    async def send_bill(self, file_name: str, archive: bytes) -> Answer:
        """SendBillSync: one document in a zip, decided at once."""
        return await self._document("SendBillSync", _file(file_name, archive))

    async def send_bills(self, file_name: str, archive: bytes) -> Receipt:
        """SendBillAsync: up to 50 documents in a zip; what became of them is asked with the key."""
        return await self._receipt("SendBillAsync", _file(file_name, archive))

    async def send_test_set(self, file_name: str, archive: bytes, test_set: str) -> Receipt:
        """SendTestSetAsync: documents of the habilitación."""
        return await self._receipt("SendTestSetAsync", {**_file(file_name, archive), "testSetId": test_set})

    async def send_event(self, archive: bytes) -> Answer:
        """SendEventUpdateStatus: a RADIAN event."""
        return await self._document("SendEventUpdateStatus", {"contentFile": base64.b64encode(archive).decode()})

    async def status(self, uuid: str) -> Answer:
        """GetStatus: what DIAN knows of the document with this CUFE, CUDE or CUDS."""
        return await self._document("GetStatus", {"trackId": uuid})

    async def status_of_zip(self, zip_key: str) -> tuple[Answer, ...]:
        """GetStatusZip: one answer for each document of an asynchronous sending; a single one when the call failed."""
        got = await self._call("GetStatusZip", {"trackId": zip_key}, read_documents)
        return (_as_answer(got),) if isinstance(got, Failure) else got

    async def numbering_ranges(self, nit: str, provider_nit: str, software_id: str) -> Ranges:
        """GetNumberingRange: the authorisations that this software may use."""
        got = await self._call(
            "GetNumberingRange",
            {"accountCode": nit, "accountCodeT": provider_nit, "softwareCode": software_id},
            read_ranges,
        )
        if isinstance(got, Failure):
            return Ranges(
                outcome=got.outcome, message=got.message, http_status=got.http_status, is_outage=got.is_outage
            )
        return got

    async def _document(self, operation: str, parameters: Mapping[str, str]) -> Answer:
        got = await self._call(operation, parameters, read_document)
        return _as_answer(got) if isinstance(got, Failure) else got

    async def _receipt(self, operation: str, parameters: Mapping[str, str]) -> Receipt:
        got = await self._call(operation, parameters, read_receipt)
        if isinstance(got, Failure):
            return Receipt(
                outcome=got.outcome, message=got.message, http_status=got.http_status, is_outage=got.is_outage
            )
        return got

    async def _call(
        self, operation: str, parameters: Mapping[str, str], read: Callable[[Element], _Read]
    ) -> _Read | Failure:
        content = envelope(operation, parameters, self._endpoint, self._credential, self._now())
        request = self._http.build_request(
            "POST",
            self._endpoint,
            content=content,
            headers={
                "Content-Type": f'application/soap+xml;charset=UTF-8;action="{action_of(operation)}"',
                # A few compressed bytes could unfold into gigabytes before anybody counts them.
                "Accept-Encoding": "identity",
            },
        )
        try:
            async with asyncio.timeout(_LONGEST):
                status, body = await self._exchange(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
            return Failure(Outcome.TRANSPORT, _say("no connection", error), None, is_outage=True)
        except (httpx.HTTPError, TimeoutError) as error:
            return Failure(Outcome.UNKNOWN, _say("no answer", error), None, is_outage=True)
        except Garbage as error:
            return Failure(Outcome.UNKNOWN, str(error), None, is_outage=False)
        return _understand(status, body, read)

    async def _exchange(self, request: httpx.Request) -> tuple[int, bytes]:
        """Status and body. Raises `httpx.HTTPError`, and `Garbage` for a body that is too large or encoded."""
        response = await self._http.send(request, stream=True)
        try:
            if response.headers.get("content-encoding", "identity").lower() != "identity":
                raise Garbage("the answer is compressed, which was not asked for")
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_ANSWER:
                    raise Garbage("the answer is larger than allowed")
            return response.status_code, bytes(body)
        finally:
            await response.aclose()


def _understand(status: int, body: bytes, read: Callable[[Element], _Read]) -> _Read | Failure:
    """Read an answer. The two faults with which DIAN refuses a message come with 500 and are no outage; any other one is."""
    # 403 is what DIAN's front door says under load (annex §12); it is retried like the 5xx.
    outage = status >= _SERVER_ERROR or status == _FORBIDDEN
    try:
        result = parse(body)
        if status == _OK:
            return read(result)
    except Fault as fault:
        if fault.refuses or not outage:
            return Failure(Outcome.REFUSED, f"SOAP fault: {fault}", status, is_outage=False)
        reason = f"SOAP fault: {fault}"
    except Garbage as error:
        reason = str(error)
    else:
        reason = "the answer is not what was asked for"
    return Failure(Outcome.UNKNOWN, f"HTTP {status}: {reason}", status, is_outage=outage)


def _as_answer(failure: Failure) -> Answer:
    return Answer(
        outcome=failure.outcome,
        message=failure.message,
        http_status=failure.http_status,
        is_outage=failure.is_outage,
    )


def _file(name: str, archive: bytes) -> dict[str, str]:
    return {"fileName": name, "contentFile": base64.b64encode(archive).decode()}


def _say(what: str, error: Exception) -> str:
    return f"{what}: {type(error).__name__} {error}".strip()
