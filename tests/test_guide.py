"""docs/GUIA_API.md run as it stands, and every link of the documents leads somewhere."""

import json
import re
import secrets
import unicodedata
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.lib.nit import check_digit

ROOT = Path(__file__).resolve().parents[1]
GUIDE = ROOT / "docs" / "GUIA_API.md"
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```http\n(.*?)^```$", re.MULTILINE | re.DOTALL)


async def test_the_guide_runs_as_it_is_written(http: httpx.AsyncClient) -> None:
    known: dict[str, str] = {}
    answers: list[Any] = []
    for block in BLOCK.findall(GUIDE.read_text()):
        head, _, rest = block.partition("\n\n")
        body, _, told = rest.rpartition("→ ")
        (line, *headers) = head.splitlines()
        method, path = _filled(line, known).split(" ")
        status, *kept = told.split()
        sent = dict(header.split(": ", 1) for header in headers) | _login(known, path)
        content = _ours(_filled(body, known)).encode() if body.strip() else None
        if content is not None:
            sent["Content-Type"] = "application/json"
        answer = await http.request(method, path, content=content, headers=sent)
        assert answer.status_code == int(status), (line, answer.status_code, answer.text)
        answers.append(answer.json())
        for pair in kept:
            name, _, place = pair.partition("=")
            known[name] = _found(answer.json(), place)
    sales = [answer for answer in answers if "sequence" in answer and "change" in answer]
    assert [sale["total"] for sale in sales] == ["69800.00", "69800.00"]
    assert sales[0]["id"] == sales[1]["id"]
    assert any(answer.get("code") == "insufficient-stock" for answer in answers)


def _filled(text: str, known: dict[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: known[found[1]], text)


def _login(known: dict[str, str], path: str) -> dict[str, str]:
    return {} if path.startswith("/v1/auth/") else {"Authorization": f"Bearer {known['token']}"}


def _ours(body: str) -> str:
    """The guide's company under a number of this run: one database sees it many times."""
    digits = str(800_000_000 + secrets.randbelow(99_999_999))
    return body.replace("901555123-8", f"{digits}-{check_digit(digits)}").replace("ana@guia", f"ana{digits}@guia")


def _found(answer: Any, place: str) -> str:
    for word in place.split("."):
        answer = answer[int(word) if word.isdigit() else word]
    return str(answer)


def _anchors(file: Path) -> set[str]:
    """As GitHub makes them of headings."""
    found = set()
    for heading in re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE):
        plain = unicodedata.normalize("NFC", re.sub(r"[`*]", "", heading)).lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-"))
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    lost = []
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            lost.append(target)
    assert lost == []


def test_the_external_monitor_and_the_kept_document_are_well_formed() -> None:
    assert json.loads((ROOT / "deploy" / "uptime" / "kuma.json").read_text())["monitorList"]
    assert json.loads((ROOT / "docs" / "openapi.json").read_text())["openapi"].startswith("3.1")
