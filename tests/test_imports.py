"""What the processes carry: an API that starts light, a monitor that needs neither web nor queue."""

import subprocess
import sys

import pytest

HEAVY = ("stripe", "lxml", "reportlab", "openpyxl", "python_calamine", "zxcvbn", "segno", "aiosmtplib", "jinja2")
"""Loaded when first used, or never by the API."""


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("app.asgi", (*HEAVY, "arq", "app.dev", "worker")),
        ("worker.monitor", ("arq", "litestar", "granian", "app.asgi", "app.dev")),
        ("worker.main", ("litestar", "granian", "app.dev", "reportlab")),
    ],
    ids=["api", "monitor", "worker"],
)
def test_a_process_loads_no_more_than_it_needs(module: str, absent: tuple[str, ...]) -> None:
    code = f"import {module}, sys; print([name for name in {absent!r} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
