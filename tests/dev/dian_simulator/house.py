"""A simulator in a thread, asked as the product asks it."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
from cryptography.hazmat.primitives.serialization import Encoding

from app.dev.dian_desk import DianDesk
from app.dev.dian_simulator.registry import Contingency, Issuer, Range, Registry, Software, TestSet
from app.dev.dian_simulator.server import Simulator
from app.domain.invoicing.identify import identify
from app.domain.invoicing.kinds import KINDS, Kind
from app.domain.invoicing.model import Document
from app.domain.invoicing.xml.documents import Built, build
from app.integrations.dian.answers import Answer
from app.integrations.dian.certificate import Credential, open_p12
from app.integrations.dian.files import file_stem, pack
from app.integrations.dian.sign import sign
from app.integrations.dian.soap import DianClient
from tests.dian_keys import PASSWORD, authorities, p12
from tests.domain.invoicing.papers import ISSUER, KEYS, NOW, document

TEST_KEY = "fc8eac422eba16e22ffd8c6f94b3f40a6e38162c"
NIT = ISSUER.identification


def registry(**changed: Any) -> Registry:
    """What DIAN knows of the shop of `papers`."""
    ranges = {
        (paper.range.authorization, paper.range.prefix): Range(
            nit=NIT,
            authorization=paper.range.authorization,
            prefix=paper.range.prefix,
            first=paper.range.first,
            last=paper.range.last,
            valid_from=paper.range.valid_from,
            valid_to=paper.range.valid_to,
            technical_key=TEST_KEY if paper.range.prefix == "SETP" else "",
            kinds=["01", "02", "04"] if paper.range.prefix == "SETP" else [paper.kind],
        )
        for paper in (document(kind) for kind in Kind if KINDS[kind].is_numbered)
        if paper.range is not None
    }
    values: dict[str, Any] = {
        "issuers": [Issuer(nit=NIT, name=ISSUER.name, mail=ISSUER.email)],
        "software": [Software(id="11111111-2222-3333-4444-555555555555", nit=NIT, pin=KEYS.pin)],
        "ranges": list(ranges.values()),
        "test_sets": [TestSet(id="set-1", nit=NIT, needed=2)],
        "contingencies": [
            Contingency(start=datetime(2026, 11, 20, 12, tzinfo=UTC), end=datetime(2026, 11, 20, 18, tzinfo=UTC))
        ],
    }
    return Registry(**{**values, **changed})


@contextmanager
def simulator(folder: Path) -> Iterator[Simulator]:
    server = Simulator(0, folder)
    server.clock.stand_at(NOW)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class Sender:
    """The product's own path from a frozen copy to an answer."""

    def __init__(self, url: str, now: Callable[[], datetime], credential: Credential) -> None:
        self._url = url
        self._now = now
        self.credential = credential
        self._consecutive = 0

    def name(self, letters: str) -> str:
        self._consecutive += 1
        return file_stem(letters, NIT, 2026, self._consecutive)

    def signed(self, paper: Document) -> bytes:
        return self.sign(build(paper, identify(paper, KEYS)), paper)

    def sign(self, built: Built, paper: Document) -> bytes:
        return sign(built.root, built.place, self.credential, paper.issued_at)

    def packed(self, paper: Document) -> tuple[str, bytes]:
        """Name and content of the zip."""
        return f"{self.name('z')}.zip", pack({f"{self.name(paper.fixed.file)}.xml": self.signed(paper)})

    def post(self, xml: bytes, letters: str = "fv", seconds: float = 10.0) -> Answer:
        archive = pack({f"{self.name(letters)}.xml": xml})
        got = self.ask(lambda client: client.send_bill(f"{self.name('z')}.zip", archive), seconds)
        assert isinstance(got, Answer)
        return got

    def send(self, paper: Document) -> Answer:
        return self.post(self.signed(paper), paper.fixed.file)

    def ask(self, what: Any, seconds: float = 10.0) -> Any:
        async def run() -> Any:
            async with httpx.AsyncClient(timeout=seconds, trust_env=False) as http:
                return await what(DianClient(http, self._url, self.credential, self._now))

        return asyncio.run(run())


def control(server: Simulator, method: str, path: str, body: object = None) -> Any:
    """One request at the control door."""
    content = b"" if body is None else msgspec.json.encode(body)
    url = server.url.rpartition("/")[0] + f"/control/{path}"
    return httpx.request(method, url, content=content, trust_env=False).raise_for_status().json()


def teach(dian: DianDesk) -> Sender:
    """Make the shop of `papers` known to a simulator that stands at its hour, and give its way there."""
    pem = [each.public_bytes(Encoding.PEM).decode() for each in authorities()]
    dian.ask("PUT", "registry", registry(trusted=pem))
    dian.stand_at(NOW)
    return Sender(dian.url, dian.now, open_p12(p12(), PASSWORD))
