"""A document of a test set goes to its own set, whatever other family was tested since."""

from uuid import UUID, uuid4

from app.domain.invoicing.claims import claim_document
from app.domain.invoicing.vault import Vault
from app.lib import clock
from tests.domain.invoicing.issuer import Company


async def test_a_document_names_the_set_of_its_family(company: Company) -> None:
    for family in ("invoice", "pos"):
        started = await company.shop.post(
            "/v1/dian/habilitation",
            {"family": family, "testSetId": f"set-{family}", "invoices": 1, "creditNotes": 0, "debitNotes": 0},
        )
        assert started.status_code == 201, started.text
        await company.work(1)
        await company.rows(
            "UPDATE dian_test_set SET status = 'accepted', finished_at = now() WHERE tenant_id = :t RETURNING 1"
        )
    rows = await company.rows("SELECT id, kind FROM document WHERE tenant_id = :t ORDER BY id")
    assert [row.kind for row in rows] == ["01", "20"]
    for row, code in zip(rows, ("set-invoice", "set-pos"), strict=True):
        async with company.database.job_transaction(company.tenant_id) as work:
            claimed = await claim_document(
                work, Vault(company.database.settings), UUID(str(row.id)), uuid4(), clock.now()
            )
            assert claimed is not None
            assert claimed.test_set == code
