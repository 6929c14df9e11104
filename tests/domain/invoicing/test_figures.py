"""The UVT of a year: missed in time, written by the operator, used from its day on."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from app.cli import main
from app.cli.legal_figure import write
from app.domain.invoicing.issue import read_issuer
from app.domain.invoicing.kinds import Kind
from app.domain.invoicing.readiness import Readiness
from app.lib import clock
from tests.domain.invoicing.issuer import Company
from worker.looks import Looks


@pytest.fixture
def moved() -> Iterator[Any]:
    yield clock.stand_at
    clock.stand_at(None)


async def said(company: Company) -> str | None:
    """What the readiness list says of the UVT, if anything."""
    async with company.database.job_transaction(company.tenant_id) as work:
        item = next(each for each in (await Readiness(work).ask()).items if each.code == "uvt")
    assert not item.blocks
    return None if item.is_ready else item.detail


async def test_the_uvt_of_the_next_year_is_missed_from_december_on(company: Company, moved: Any) -> None:
    looks = Looks(company.database.settings)
    for at, year in (
        (datetime(2026, 11, 30, 17, tzinfo=UTC), None),
        (datetime(2026, 12, 1, 17, tzinfo=UTC), 2027),
        (datetime(2027, 1, 4, 15, tzinfo=UTC), 2027),
    ):
        moved(at)
        detail, alert = await said(company), await looks.figures()
        assert (detail is None) is (year is None)
        assert (alert is None) is (year is None)
        if year is not None:
            assert f"La UVT de {year}" in str(detail)
            assert f"Falta la UVT de {year}" in str(alert)


async def test_the_operator_writes_a_figure_and_sales_use_it_from_its_day_on(company: Company, moved: Any) -> None:
    day = datetime(2031, 1, 1, 17, tzinfo=UTC)
    moved(day)
    assert "2031" in str(await said(company))
    settings = company.database.settings
    assert await write(settings, "uvt", day.date(), Decimal("70000.00"), "Resolución de prueba") is None
    assert await write(settings, "uvt", day.date(), Decimal("71000.00"), "Resolución de prueba") == Decimal("70000.00")
    assert await said(company) is None
    async with company.database.job_transaction(company.tenant_id) as work:
        assert (await read_issuer(work, [Kind.POS], testing=True)).pos_limit == Decimal("355000.00")
    moved(datetime(2030, 12, 31, 17, tzinfo=UTC))
    async with company.database.job_transaction(company.tenant_id) as work:
        assert (await read_issuer(work, [Kind.POS], testing=True)).pos_limit != Decimal("355000.00")


@pytest.mark.parametrize(
    "words",
    [
        ["uvt", "2027-01-01", "0", "--source", "x"],
        ["uvt", "2027-01-01", "1.001", "--source", "x"],
        ["uvt", "2027-01-01", "NaN", "--source", "x"],
        ["uvt", "ayer", "1", "--source", "x"],
        ["uvt", "2027-01-01", "1", "--source", " "],
        ["uvt", "2027-01-01", "1"],
        ["iva", "2027-01-01", "1", "--source", "x"],
    ],
)
def test_a_figure_that_makes_no_sense_is_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["legal-figure", *words])
    assert refused.value.code == 2
