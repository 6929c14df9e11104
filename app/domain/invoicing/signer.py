"""A company's line to DIAN: its certificate opened, the address of its environment, calls with a limit of time."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeVar
from uuid import UUID

from app.db.jobs import JobContext
from app.domain.invoicing.claims import Claimed, SignedFile
from app.domain.invoicing.model import Document, Identity, Validation
from app.domain.invoicing.models import DianCertificate
from app.domain.invoicing.vault import Vault
from app.lib.errors import RuleBroken
from app.lib.sealing import SealBroken
from app.settings import Settings

if TYPE_CHECKING:
    from httpx import AsyncClient

    from app.integrations.dian.answers import Answer, Ranges
    from app.integrations.dian.certificate import Credential
    from app.integrations.dian.soap import DianClient

_KEPT: Final = 200
"""Certificates kept open in one process: opening one costs as much as signing twenty documents."""
_OPEN: "OrderedDict[UUID, Credential]" = OrderedDict()
_Result = TypeVar("_Result")


class CannotSign(Exception):
    """The company has no certificate that signs today; the text says why, in Spanish."""


class Line:
    """To be closed."""

    def __init__(
        self, http: "AsyncClient", client: "DianClient", credential: "Credential", *, says_empty_prefix: bool = False
    ) -> None:
        self._http = http
        self._says_empty_prefix = says_empty_prefix
        self._client = client
        self._credential = credential

    async def close(self) -> None:
        await self._http.aclose()

    def sign(self, paper: Document, identity: Identity) -> bytes:
        """Build and sign; for a thread of its own. The same document gives the same bytes."""
        from app.domain.invoicing.xml.documents import build
        from app.integrations.dian.sign import sign

        built = build(paper, identity, says_empty_prefix=self._says_empty_prefix)
        return sign(built.root, built.place, self._credential, paper.issued_at)

    def sign_container(
        self, paper: Document, identity: Identity, xml: bytes, response: Validation, at: datetime
    ) -> bytes:
        """Build and sign what the buyer gets; for a thread of its own."""
        from app.domain.invoicing.xml.attached import build_attached
        from app.integrations.dian.sign import sign

        built = build_attached(paper, identity, xml, response, at)
        return sign(built.root, built.place, self._credential, at)

    async def status(self, uuid: str, seconds: float) -> "Answer":
        """What DIAN knows of a UUID."""
        return await _within(seconds, self._client.status(uuid))

    async def status_of_zip(self, key: str, seconds: float) -> "Answer":
        answers = await _within(seconds, self._client.status_of_zip(key))
        return answers[0] if isinstance(answers, tuple) else answers

    async def send(self, name: str, xml: SignedFile, claimed: Claimed, seconds: float) -> "Answer":
        """Send one document; one of a test set is only received and asked for later."""
        from app.integrations.dian.files import pack

        archive = pack({xml.name: xml.content})
        if not claimed.row.is_test:
            return await _within(seconds, self._client.send_bill(name, archive))
        from app.integrations.dian.answers import Answer, Outcome, Rule

        receipt = await _within(seconds, self._client.send_test_set(name, archive, claimed.test_set))
        if isinstance(receipt, Answer):
            return receipt
        if receipt.is_set_accepted:
            rule = Rule(code="2", text=receipt.message, rejects=True)
            return Answer(outcome=Outcome.REJECTED, message=receipt.message, rules=(rule,))
        return Answer(
            outcome=receipt.outcome,
            message=receipt.message,
            document_key=receipt.zip_key,
            http_status=receipt.http_status,
            is_outage=receipt.is_outage,
        )

    async def ranges(self, nit: str, provider_nit: str, software_id: str, seconds: float) -> "Ranges":
        async with asyncio.timeout(seconds):
            return await self._client.numbering_ranges(nit, provider_nit, software_id)


async def line_of(context: JobContext, vault: Vault, claimed: Claimed, now: datetime) -> Line:
    """The line of a document's company. Raises `CannotSign`."""
    return await open_line(
        context.settings,
        vault,
        context.tenant_id,
        claimed.certificate,
        claimed.version.content.issuer.identification,
        claimed.environment,
        now,
    )


async def open_line(
    settings: Settings,
    vault: Vault,
    tenant_id: UUID,
    certificate: DianCertificate | None,
    nit: str,
    environment: str,
    now: datetime,
) -> Line:
    """The line of a company. Raises `CannotSign`: no certificate, expired, of another NIT, or sealed with a lost key."""
    from app.integrations.dian.certificate import check_credential
    from app.integrations.dian.soap import HABILITATION, PRODUCTION, DianClient, http_client, tls

    if certificate is None or certificate.sealed is None:
        raise CannotSign("Falta el certificado digital (.p12).")
    credential = await _open(vault, tenant_id, certificate, certificate.sealed)
    if settings.dian_certificates == "holder":
        credential = credential.alone()
    try:
        check_credential(credential, nit, now)
    except RuleBroken as problem:
        raise CannotSign(problem.detail) from problem
    endpoint = settings.dian_url or (PRODUCTION if environment == "1" else HABILITATION)
    http = http_client(verify=tls() if endpoint.startswith("https://") else False)
    client = DianClient(http, endpoint, credential)
    return Line(http, client, credential, says_empty_prefix=settings.dian_empty_prefix == "empty")


async def _open(vault: Vault, tenant_id: UUID, certificate: DianCertificate, sealed: bytes) -> "Credential":
    from app.integrations.dian.certificate import CertificateUnusable, open_p12

    known = _OPEN.get(certificate.id)
    if known is not None:
        _OPEN.move_to_end(certificate.id)
        return known
    try:
        file = vault.open_certificate(tenant_id, sealed)
        credential = await asyncio.to_thread(open_p12, file.p12, file.password)
    except (SealBroken, CertificateUnusable) as problem:
        raise CannotSign("El certificado guardado no se puede abrir: instálelo otra vez.") from problem
    _OPEN[certificate.id] = credential
    if len(_OPEN) > _KEPT:
        _OPEN.popitem(last=False)
    return credential


async def _within(seconds: float, call: Awaitable[_Result]) -> "_Result | Answer":
    """A call that takes no longer; what was lost is an unknown outcome."""
    from app.integrations.dian.answers import Answer, Outcome

    try:
        async with asyncio.timeout(seconds):
            return await call
    except TimeoutError:
        return Answer(outcome=Outcome.UNKNOWN, message=f"no answer after {seconds:.0f} s", is_outage=True)
