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
)
"""Loaded when first used, or never by the API."""


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("app.asgi", (*HEAVY, "arq", "app.dev", "worker")),
        ("worker.monitor", ("arq", "litestar", "granian", "app.asgi", "app.dev")),
        ("worker.main", ("litestar", "granian", "app.dev", "reportlab", "lxml")),
        (
            "app.domain.invoicing.preflight, app.domain.invoicing.explain",
            (*HEAVY, "httpx", "cryptography", "sqlalchemy"),
        ),
    ],
    ids=["api", "monitor", "worker", "documents before their XML"],
)
def test_a_process_loads_no_more_than_it_needs(module: str, absent: tuple[str, ...]) -> None:
    code = f"import {module}, sys; print([name for name in {absent!r} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
