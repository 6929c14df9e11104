"""A question of the monitor's, what it may answer, and what a message about it says."""

from collections.abc import Awaitable, Callable

import msgspec

from app.domain.alerts.notices import Severity
from app.lib.text import writable


class Unknown(Exception):
    """What is asked about cannot be seen, because something is away that has a check of its own."""


class Finding(msgspec.Struct, frozen=True):
    """What is wrong, where a sentence alone does not say it all."""

    detail: str
    severity: Severity | None = None
    """Other than the check's own."""
    affected: str | None = None


Answer = str | Finding | None
"""None when all is well, else what is wrong in a Spanish sentence."""


def readable(answer: Answer) -> Finding | None:
    """What is wrong, in text that can be written down whatever a server put into it."""
    finding = Finding(answer) if isinstance(answer, str) else answer
    if finding is None:
        return None
    affected = writable(finding.affected) if finding.affected else None
    return msgspec.structs.replace(finding, detail=writable(finding.detail), affected=affected)


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to look at, over and over."""

    name: str
    """Fingerprint of its alert, and anchor of its page in the runbook."""
    title: str
    severity: Severity
    ask: Callable[[], Awaitable[Answer]]
    affected: str = "A toda la instalación."
    next_step: str = "Abra la guía."
    muted_by: frozenset[str] = frozenset()
    """Checks whose failure explains this one's."""
