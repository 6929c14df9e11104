"""What goes wrong between the sale and DIAN with certificate, secrets and numbering: said on the document, and mended."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import pytest

from app.db.session import Database
from app.domain.invoicing.vault import CertificateFile, Vault
from tests.dian_keys import PASSWORD, p12
from tests.domain.invoicing.issuer import Company
from tests.domain.invoicing.test_sales import sold

SOON = timedelta(minutes=20)
PAST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)


async def state(company: Company) -> Any:
    (only,) = await company.rows("SELECT * FROM document_state WHERE tenant_id = :t")
    return only


async def mended(company: Company) -> None:
    """With its own certificate everything goes."""
    await company.install_certificate()
    await company.rows("UPDATE document_state SET next_at = now() WHERE tenant_id = :t RETURNING 1")
    await company.sweep()
    await company.work(ahead=SOON)
    assert (await state(company)).status == "accepted"


@pytest.mark.parametrize(
    ("file", "password", "said"),
    [
        (lambda nit: p12(nit="800197268"), PASSWORD, "no es del NIT"),
        (lambda nit: p12(nit=nit, start=PAST[0], end=PAST[1]), PASSWORD, "venció el 2021-01-01"),
        (lambda nit: p12(nit=nit), "otra clave", "no se puede abrir"),
        (lambda nit: b"nada", PASSWORD, "no se puede abrir"),
    ],
)
async def test_a_certificate_that_went_wrong_stops_nothing_but_the_documents(
    company: Company, file: Any, password: str, said: str
) -> None:
    sealed = Vault(company.database.settings).seal_certificate(
        company.tenant_id, CertificateFile(file(company.nit), password)
    )
    await company.rows(
        "UPDATE dian_certificate SET sealed = :sealed WHERE tenant_id = :t AND retired_at IS NULL RETURNING 1",
        sealed=sealed,
    )
    await sold(company)
    await company.work()
    found = await state(company)
    assert found.status == "pending"
    assert said in found.message
    await mended(company)


async def test_a_certificate_that_dian_does_not_trust_is_told_and_waits(company: Company) -> None:
    sealed = Vault(company.database.settings).seal_certificate(
        company.tenant_id, CertificateFile(p12(nit=company.nit), PASSWORD)
    )
    await company.rows(
        "UPDATE dian_certificate SET sealed = :sealed WHERE tenant_id = :t AND retired_at IS NULL RETURNING 1",
        sealed=sealed,
    )
    await sold(company)
    await company.work()
    found = await state(company)
    assert found.status == "signed"
    assert "La DIAN no recibió el envío" in found.message


async def test_a_lost_secret_key_is_said_on_the_document(company: Company) -> None:
    await sold(company)
    right = company.database
    wrong = msgspec.structs.replace(right.settings, secret_key=b"x" * 32)
    company.database = Database(wrong, right.bell)
    try:
        await company.work()
    finally:
        await company.database.close()
        company.database = right
    found = await state(company)
    assert found.status == "pending"
    assert "SECRET_KEY" in found.message
    await company.rows("UPDATE document_state SET next_at = now() WHERE tenant_id = :t RETURNING 1")
    await company.sweep()
    await company.work()
    assert (await state(company)).status == "accepted"


async def test_an_expired_range_refuses_the_sale_and_changes_nothing(
    company: Company, admin: asyncpg.Connection
) -> None:
    product = await company.shop.product()
    session = await company.shop.open_drawer()
    await admin.execute("UPDATE document_range SET valid_to = '2020-01-01' WHERE tenant_id = $1", company.tenant_id)
    lines = [{"productId": product["id"], "quantity": "1"}]
    refused = await company.shop.sell(session, lines, "20000")
    assert (refused.status_code, refused.json()["code"]) == (422, "no-document-range"), refused.text
    assert await company.rows("SELECT 1 FROM sale WHERE tenant_id = :t") == []
    assert await company.rows("SELECT 1 FROM document WHERE tenant_id = :t") == []
