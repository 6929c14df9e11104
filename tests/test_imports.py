"""What the processes carry: an API that starts light, a monitor that needs neither web nor queue."""

import subprocess
import sys

import pytest

HEAVY = (
    "stripe",
    "lxml",
    "xmlsec",
    "signxml",
    "reportlab",
    "openpyxl",
    "python_calamine",
    "zxcvbn",
    "segno",
    "aiosmtplib",
    "jinja2",
    "obstore",
)
"""Loaded when first used, or never by the API."""
NEEDLESS = ("alembic", "rich", "pygments", "pydantic", "attr", "faker", "polyfactory", "hypothesis", "pytest", "httpx")
"""Installed for others: tests, commands, optional parts of libraries."""


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("app.asgi", (*HEAVY, "arq", "app.dev", "worker")),
        ("app.cli.api; app.cli.api.spare_memory(); import app.asgi", (*HEAVY, *NEEDLESS, "arq", "app.dev", "worker")),
        ("worker.monitor", ("arq", "litestar", "granian", "app.asgi", "app.dev")),
        ("worker.main", ("litestar", "granian", "app.dev", "reportlab", "lxml")),
        (
            "app.domain.invoicing.preflight, app.domain.invoicing.explain",
            (*HEAVY, "httpx", "cryptography", "sqlalchemy"),
        ),
    ],
    ids=["application", "api", "monitor", "worker", "documents before their XML"],
)
def test_a_process_loads_no_more_than_it_needs(module: str, absent: tuple[str, ...]) -> None:
    code = f"import {module}; import sys; print([name for name in {absent!r} if sys.modules.get(name)])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
