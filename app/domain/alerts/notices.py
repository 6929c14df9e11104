"""What a message says, the same on every channel. Loads no web framework: the monitor writes these too."""

import html
from datetime import datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from app.integrations.mail.sender import Mail

Severity = Literal["info", "warning", "critical"]
SEVERITIES: Final[tuple[Severity, ...]] = ("info", "warning", "critical")
"""From least to worst."""


def worse(one: Severity, other: Severity) -> Severity:
    """The graver of two."""
    # By index: a type checker makes plain words of `max` over literals.
    return SEVERITIES[max(SEVERITIES.index(one), SEVERITIES.index(other))]


Event = Literal["opened", "resolved", "repeated", "escalated", "digest", "test"]

_BOGOTA: Final = ZoneInfo("America/Bogota")
_HEADS: Final[dict[Event, str]] = {
    "opened": "ALERTA: {}",
    "resolved": "Resuelto: {}",
    "repeated": "Sigue: {}",
    "escalated": "ESCALADA: {}",
    "digest": "Inestable: {}",
    "test": "PRUEBA: {}",
}
_SEVERITY_NAMES: Final[dict[Severity, str]] = {"info": "aviso", "warning": "advertencia", "critical": "crítica"}


class Notice(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One thing that people should know."""

    event: Event
    fingerprint: str
    severity: Severity
    title: str
    detail: str
    """The evidence: what was found, in a sentence."""
    affected: str
    """Who is hit, and in what."""
    opened_at: datetime
    resolved_at: datetime | None
    next_step: str
    runbook: str
    """Address of the page that says what to do."""
    release: str
    """What was deployed last, and when."""
    host: str
    environment: str
    remark: str = ""
    """What else the reader should know of this message: that it repeats, that the alert comes and goes."""

    def headline(self) -> str:
        head = _HEADS[self.event].format(self.title)
        if self.event == "resolved" and self.resolved_at is not None:
            return f"{head} (duró {length_of(self.resolved_at - self.opened_at)})"
        return head

    def lines(self) -> list[str]:
        """What, since when, who, evidence, last deploy, next step, runbook."""
        told = [
            f"Qué: {self.title} (severidad {_SEVERITY_NAMES[self.severity]})",
            f"Desde: {_local(self.opened_at)}",
            f"Hasta: {_local(self.resolved_at)}, {length_of(self.resolved_at - self.opened_at)}"
            if self.resolved_at
            else "",
            f"A quién afecta: {self.affected}",
            f"Evidencia: {self.detail}",
            self.remark,
            f"Último despliegue: {self.release}",
            f"Siguiente paso: {self.next_step}" if self.event != "resolved" else "",
            f"Guía: {self.runbook}",
            f"Equipo: {self.host} ({self.environment})",
        ]
        return [line for line in told if line]

    def text(self) -> str:
        return "\n".join([self.headline(), *self.lines()])

    def mail(self, to: str) -> Mail:
        paragraphs = "".join(f"<p>{html.escape(line)}</p>" for line in self.lines())
        return Mail(
            to=to,
            subject=" ".join(f"[Mostrador] {self.headline()}".split()),
            text="\n".join(self.lines()) + "\n",
            html=f'<!doctype html><html lang="es"><body>{paragraphs}</body></html>',
        )


def length_of(time: timedelta) -> str:
    """A length in words of two units at most: `2 h 5 min`, `40 s`."""
    seconds = max(0, round(time.total_seconds()))
    if seconds < 60:  # noqa: PLR2004 - seconds of a minute
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:  # noqa: PLR2004 - minutes of an hour
        return f"{minutes} min {seconds} s" if seconds else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def _local(instant: datetime) -> str:
    return f"{instant.astimezone(_BOGOTA):%Y-%m-%d %H:%M:%S} (hora de Bogotá)"
