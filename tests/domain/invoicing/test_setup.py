"""Settings, certificate, numbering, readiness and habilitación."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from app.db.session import Database
from app.dev.dian_simulator.registry import TestSet
from app.dev.dian_simulator.server import Simulator
from app.domain.invoicing.setup import renew_secrets
from app.domain.invoicing.vault import Vault
from app.lib import clock
from tests.dian_keys import END, p12
from tests.domain.invoicing.issuer import PASSWORD, PIN, Company
from tests.shop import sign_up


@pytest.fixture
async def bare(http: httpx.AsyncClient, database: Database, server: Simulator) -> Any:
    """A company that has set nothing up."""
    company = Company(await sign_up(http), database, server)
    await company.switch_on()
    yield company
    await company.close()


async def test_nothing_is_issued_until_everything_is_there(bare: Company) -> None:
    begins = (await bare.shop.get("/v1/dian/settings")).json()
    assert (begins["isEnabled"], begins["environment"]) == (False, "habilitation")
    refused = await bare.put("/v1/dian/settings", bare.settings())
    assert refused.status_code == 422
    assert refused.json()["code"] == "dian-not-ready"
    assert {error["code"] for error in refused.json()["errors"]} >= {"certificate", "range-invoice", "company-address"}
    ready = (await bare.shop.get("/v1/dian/readiness")).json()
    assert not ready["isReady"]
    assert (await bare.shop.get("/v1/dian/settings")).json()["isEnabled"] is False


async def test_the_pin_is_written_and_never_shown(company: Company) -> None:
    shown = await company.shop.get("/v1/dian/settings")
    assert shown.json()["hasSoftwarePin"] is True
    assert PIN not in shown.text
    (row,) = await company.rows("SELECT software_pin FROM dian_setting WHERE tenant_id = :t")
    assert PIN.encode() not in row.software_pin
    kept = await company.put("/v1/dian/settings", company.settings(softwarePin=None, saleDocument="invoice"))
    assert kept.status_code == 200, kept.text
    assert kept.json()["hasSoftwarePin"] is True
    trail = await company.rows("SELECT content FROM audit_entry WHERE tenant_id = :t AND action LIKE 'dian.%'")
    assert trail
    assert not any(PASSWORD in row.content for row in trail)


@pytest.mark.parametrize(
    ("file", "password", "code"),
    [
        (lambda nit: b"no es un p12", PASSWORD, "certificate-unreadable"),
        (lambda nit: p12(nit=nit), "otra clave", "certificate-password"),
        (lambda nit: p12(nit="800197268"), PASSWORD, "certificate-of-another-nit"),
        (
            lambda nit: p12(nit=nit, start=datetime(2020, 1, 1, tzinfo=UTC), end=datetime(2021, 1, 1, tzinfo=UTC)),
            PASSWORD,
            "certificate-expired",
        ),
        (lambda nit: p12(nit=nit, start=END - timedelta(days=1)), PASSWORD, "certificate-not-yet-valid"),
    ],
)
async def test_a_certificate_that_dian_would_refuse_is_refused(
    bare: Company, file: Any, password: str, code: str
) -> None:
    body = {"file": base64.b64encode(file(bare.nit)).decode(), "password": password}
    refused = await bare.put("/v1/dian/certificate", body)
    assert refused.status_code == 422, refused.text
    assert refused.json()["code"] == code
    assert await bare.rows("SELECT 1 FROM dian_certificate WHERE tenant_id = :t") == []


async def test_a_file_that_is_no_base64_is_refused(bare: Company) -> None:
    for file in ("no es base64", "ñandú", "QQ"):
        refused = await bare.put("/v1/dian/certificate", {"file": file, "password": PASSWORD})
        assert (refused.status_code, refused.json()["code"]) == (422, "certificate-unreadable"), refused.text


async def test_the_key_of_an_earlier_certificate_is_forgotten(company: Company) -> None:
    await company.install_certificate()
    rows = await company.rows(
        "SELECT sealed IS NULL AS gone, retired_at FROM dian_certificate WHERE tenant_id = :t ORDER BY id"
    )
    assert [row.gone for row in rows] == [True, False]
    (current,) = await company.rows("SELECT sealed FROM dian_certificate WHERE tenant_id = :t AND retired_at IS NULL")
    assert PASSWORD.encode() not in current.sealed
    assert Vault(company.database.settings).open_certificate(company.tenant_id, current.sealed).password == PASSWORD


async def test_secrets_move_to_a_new_key_of_the_installation(company: Company) -> None:
    old = company.database.settings
    new = msgspec.structs.replace(old, secret_key=b"n" * 16 + b"m" * 16, former_secret_keys=(old.secret_key,))
    vault = Vault(new)
    async with company.database.job_transaction(company.tenant_id) as work:
        assert await renew_secrets(work, vault) == 3
    async with company.database.job_transaction(company.tenant_id) as work:
        assert await renew_secrets(work, vault) == 0
    alone = Vault(msgspec.structs.replace(new, former_secret_keys=()))
    (row,) = await company.rows("SELECT software_pin FROM dian_setting WHERE tenant_id = :t")
    assert alone.open(company.tenant_id, row.software_pin) == PIN


def purposes(**kinds: str) -> list[dict[str, str]]:
    return [{"prefix": prefix, "kind": kind} for prefix, kind in kinds.items()]


async def test_ranges_are_read_from_dian_as_they_are(bare: Company) -> None:
    await bare.set_up(ranges=False)
    asked = await bare.shop.post("/v1/dian/ranges/import", {"kinds": purposes(EPOS="20", CT="03")})
    assert asked.status_code == 202, asked.text
    await bare.work()
    page = (await bare.shop.get("/v1/dian/ranges")).json()
    authorised = {row["prefix"]: row["kind"] for row in page["items"] if row["authorization"]}
    assert authorised == {"SETP": "01", "EPOS": "20", "CT": "03"}
    assert "DS" in page["importMessage"]
    setp = next(row for row in page["items"] if row["prefix"] == "SETP")
    assert (setp["first"], setp["last"], setp["hasTechnicalKey"]) == (990000000, 995000000, True)
    await bare.shop.post("/v1/dian/ranges/import", {"kinds": purposes(EPOS="20", CT="03", DS="05")})
    await bare.work()
    again = (await bare.shop.get("/v1/dian/ranges")).json()
    assert "Ya estaban: 3" in again["importMessage"]


async def test_ranges_may_not_overlap_and_must_make_sense(company: Company) -> None:
    base = {
        "kind": "20",
        "prefix": "EPOS",
        "authorization": "18760000002",
        "first": 4000,
        "last": 9000,
        "validFrom": "2026-01-01",
        "validTo": "2027-12-31",
    }
    assert (await company.shop.post("/v1/dian/ranges", base)).json()["code"] == "range-taken"
    for changed in (
        {"prefix": "X", "first": 10, "last": 9},
        {"prefix": "X", "next": 1},
        {"prefix": "X", "authorization": ""},
        {"prefix": "X", "validTo": "2025-01-01"},
        {"prefix": "X", "kind": "01"},
        {"prefix": "", "kind": "91", "authorization": ""},
    ):
        refused = await company.shop.post("/v1/dian/ranges", base | changed)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid-range"), changed


@pytest.mark.parametrize("family", ["invoice", "pos"])
async def test_a_test_set_is_sent_and_followed_to_its_end(bare: Company, family: str) -> None:
    await bare.set_up()
    bare.server.service.registry.test_sets.append(TestSet(id=f"set-{bare.nit}", nit=bare.nit, needed=50))
    started = await bare.shop.post(
        "/v1/dian/habilitation",
        {"family": family, "testSetId": f"set-{bare.nit}", "invoices": 3, "creditNotes": 1, "debitNotes": 1},
    )
    assert started.status_code == 201, started.text
    await bare.work(200, ahead=timedelta(hours=1))
    (progress,) = (await bare.shop.get("/v1/dian/habilitation")).json()["items"]
    assert (progress["status"], progress["accepted"], progress["wanted"]) == ("accepted", 5, 5)
    again = await bare.shop.post("/v1/dian/habilitation", {"family": family, "testSetId": "otro"})
    assert again.status_code == 201


async def test_documents_that_no_sale_makes_are_issued_and_accepted(company: Company) -> None:
    shop = company.shop
    await company.add_range(kind="03", prefix="CT", first=1, last=1000)
    await company.add_range(kind="05", prefix="DS", first=1, last=1000)
    seller = await shop.post(
        "/v1/customers",
        {
            "identificationType": "31",
            "identification": "1000000002",
            "organization": "person",
            "name": "Vendedor De Ejemplo",
            "address": "Calle 1 # 2-3",
            "municipalityCode": "11001",
        },
    )
    abroad = await shop.post(
        "/v1/customers",
        {"identificationType": "50", "identification": "EX-123456", "organization": "company", "name": "Overseas Ltd."},
    )
    line = {"code": "A1", "description": "Algo", "quantity": "2", "unitPrice": "10000.00"}
    taxed = line | {"taxClass": "iva19", "discount": "1000.00"}
    today = clock.business_day(clock.now(), "America/Bogota")
    bodies: list[dict[str, Any]] = [
        {
            "kind": "02",
            "customerId": abroad.json()["id"],
            "lines": [line],
            "delivery": {"incoterm": "FOB"},
            "address": {"line": "221B Baker Street", "city": "London", "countryCode": "GB"},
        },
        {
            "kind": "03",
            "lines": [taxed],
            "paper": {"number": "T-1", "issuedOn": today.isoformat()},
        },
        {"kind": "05", "customerId": seller.json()["id"], "lines": [line]},
    ]
    made: dict[str, str] = {}
    for body in bodies:
        answer = await shop.post("/v1/dian/documents", body)
        assert answer.status_code == 201, answer.text
        made[body["kind"]] = answer.json()["id"]
    await company.work()
    for note, corrected in (("92", "02"), ("95", "05")):
        answer = await shop.post(
            "/v1/dian/documents",
            {"kind": note, "correctsId": made[corrected], "concept": "3", "lines": [line], "reason": "ajuste"},
        )
        assert answer.status_code == 201, answer.text
        made[note] = answer.json()["id"]
    await company.work()
    for kind, document_id in made.items():
        found = await company.document(document_id)
        assert (found["kind"], found["status"]) == (kind, "accepted"), found
    listed = (await shop.get("/v1/dian/documents", status="accepted")).json()["items"]
    assert {row["id"] for row in listed} == set(made.values())


async def test_a_document_by_hand_says_what_it_lacks(company: Company) -> None:
    line = {"code": "A1", "description": "Algo", "quantity": "1", "unitPrice": "10000.00"}
    for body, code in (
        ({"kind": "05", "lines": [line]}, "customer-required"),
        ({"kind": "92", "lines": [line]}, "corrects-required"),
        ({"kind": "92", "lines": [line], "correctsId": str(UUID(int=1)), "concept": "3"}, "unknown-reference"),
        ({"kind": "03", "lines": [line]}, "no-document-range"),
        ({"kind": "03", "lines": [line | {"taxClass": "no"}]}, "unknown-reference"),
    ):
        refused = await company.shop.post("/v1/dian/documents", body)
        assert (refused.status_code, refused.json()["code"]) == (422, code), refused.text
    keyless = await company.shop.http.post(
        "/v1/dian/documents", json={"kind": "03", "lines": [line]}, headers=company.shop.headers
    )
    assert keyless.status_code == 428
