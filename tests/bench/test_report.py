"""The kept tables."""

from pathlib import Path
from random import Random

import pytest

from tests.bench import report
from tests.bench.names import COUNT, barcode, product_name, with_typo
from tests.bench.report import Demand, Section, keep


def section(name: str, figure: str, *, met: bool = True) -> Section:
    return Section(
        name=name, title=name.title(), head=("what", "figure"), rows=[["x", figure]], demands=[Demand(figure, met)]
    )


def test_a_new_run_replaces_its_own_table_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "docs" / "BENCHMARKS.md"
    monkeypatch.setattr(report, "KEPT", kept)
    keep(section("sales", "500/s"), "yesterday")
    keep(section("search", "9 ms"), "yesterday")
    keep(section("sales", "600/s", met=False), "today")
    text = kept.read_text()
    assert "500/s" not in text
    assert text.index("<!-- bench:sales -->") < text.index("- **MISSED**: 600/s") < text.index("<!-- /bench:sales -->")
    assert text.count("| x | 9 ms |") == 1


def test_the_products_of_the_bench_have_a_hundred_thousand_different_names_and_codes() -> None:
    assert len({product_name(number) for number in range(COUNT)}) == COUNT == 100_000
    assert len({barcode(number) for number in range(COUNT)}) == COUNT


def test_a_typo_swaps_two_letters_of_the_first_word() -> None:
    typed = with_typo("Tornillo de bronce 3 mm", Random(1))
    assert typed != "tornillo de bronce 3 mm"
    assert sorted(typed) == sorted("tornillo de bronce 3 mm")
