"""What stands in deploy/ for Prometheus and Grafana asks only for what the API tells, and points at pages that are there."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml  # type: ignore[import-untyped]
from litestar import Litestar

from app.asgi import create_litestar, dressed
from app.domain.provider.measures import _BUSINESS, QUESTIONS
from app.settings import read_settings
from tests.contract.routes import routes_of
from tests.shop import Shop
from worker.checks import all_checks

ROOT = Path(__file__).resolve().parents[2]
RUNBOOK = "docs/RUNBOOK_OPERACIONES.md"
TOKEN = "the scraper's own"
_NAME = re.compile(r"\bmostrador(?:_[a-z0-9]+)+\b|\bmostrador(?::[a-z0-9_]+)+\b")


def anchors() -> set[str]:
    """Of the runbook's sections, as browsers and code hosts make them of headings."""
    text = (ROOT / RUNBOOK).read_text(encoding="utf-8")
    return {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^## (.+)$", text, re.MULTILINE)
    }


@pytest.fixture
async def told(environ: dict[str, str], shop: Shop) -> Any:
    """The metrics of an API beside which somebody sold."""
    assert (await shop.get("/v1/company")).status_code == 200
    made: Litestar = create_litestar(read_settings(environ | {"METRICS_TOKEN": TOKEN}))
    transport = httpx.ASGITransport(app=dressed(made, made.state.settings))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.test") as client:
        await client.get("/health/live")
        answer = await client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    made.state.health.close()
    await made.state.database.close()
    assert answer.status_code == 200, answer.text
    return answer.text


def families(text: str) -> set[str]:
    """Names of series; of a histogram also its parts."""
    found = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE):
        found |= {name} if kind != "histogram" else {f"{name}_bucket", f"{name}_sum", f"{name}_count"}
    return found


def rules() -> list[dict[str, Any]]:
    loaded = yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text(encoding="utf-8"))
    return [rule for group in loaded["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "deploy/grafana/mostrador.json").read_text(encoding="utf-8"))
    return found


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    for panel in dashboard()["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (one["expr"] for one in dashboard()["annotations"]["list"])


async def test_every_expression_asks_for_what_is_told(told: str) -> None:
    known = families(told) | {rule["record"] for rule in rules() if "record" in rule}
    asked = {name for expression in expressions() for name in _NAME.findall(expression)}
    assert asked <= known, sorted(asked - known)
    assert len(asked) > 20


async def test_nothing_that_is_told_is_shown_nowhere(told: str) -> None:
    asked = {name for expression in expressions() for name in _NAME.findall(expression)}
    shown = families(told) - {"mostrador_request_seconds_sum"}
    assert shown <= asked, sorted(shown - asked)


async def test_the_metrics_are_what_prometheus_reads(told: str) -> None:
    line = re.compile(r'^[a-z_]+\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)*\} (?:-?[0-9.e+-]+|[+]Inf)$')
    for text in told.strip().splitlines():
        assert text.startswith("# ") or line.match(text), text
    for question in QUESTIONS:
        assert f"# TYPE {question.name} gauge" in told
        for labels in question.always:
            wanted = ",".join(f'{key}="{value}"' for key, value in labels.items())
            assert f"{question.name}{{{wanted}," in told, "an absent series alarms nobody"


def test_each_business_counter_counts_a_route_there_is(app: Litestar) -> None:
    known = routes_of(app)
    for what, (method, path, _) in _BUSINESS.items():
        assert (method, path) in known, what


def test_each_alert_points_at_a_section_of_the_runbook(environ: dict[str, str]) -> None:
    there = anchors()
    for rule in rules():
        if "alert" in rule:
            page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
            assert (page, anchor in there) == (RUNBOOK, True), rule["alert"]
            assert rule["labels"]["severity"] in {"warning", "critical"}
    everything = environ | {"SMTP_HOST": "x", "METRICS_TOKEN": "x", "PUBLIC_URL": "https://x.test"}
    settings = read_settings(everything)
    names = {check.name for check in all_checks(settings)}
    assert {"smtp", "traffic", "tls"} < names
    assert names | {"prueba"} <= there, sorted(names - there)
    assert settings.runbook_url == RUNBOOK


def test_each_section_says_what_it_means_who_is_hit_and_what_to_do() -> None:
    text = (ROOT / RUNBOOK).read_text(encoding="utf-8")
    for section in text.split("\n## ")[1:]:
        for part in ("**Qué significa.**", "**A quién afecta.**", "**Qué hacer.**"):
            assert section.count(part) == 1, (section.splitlines()[0], part)


def test_the_dashboard_is_one_that_grafana_draws() -> None:
    board = dashboard()
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, f"{panel['title']} lies over another"
        taken |= cells
        assert panel["type"] == "row" or panel["targets"], panel["title"]
