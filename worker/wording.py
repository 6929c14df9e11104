"""What a message of the monitor says besides the finding: where, which release, what to do."""

import socket

from app.domain.alerts.notices import Event, Notice
from app.settings import Settings
from worker.check import Check
from worker.records import Alert


class Wording:
    """Of one monitor."""

    def __init__(self, settings: Settings) -> None:
        self._runbook = settings.runbook_url
        self._environment = settings.environment
        self._host = socket.gethostname()
        self.release = "desconocido: PostgreSQL no ha respondido"
        """What was deployed last, and when."""

    def notice(self, event: Event, check: Check, alert: Alert, remark: str = "") -> Notice:
        """One message about an alert; every channel is given the same."""
        return Notice(
            event=event,
            fingerprint=alert.fingerprint,
            severity=alert.severity,
            title=alert.title or check.title,
            detail=alert.detail,
            affected=alert.affected or check.affected,
            opened_at=alert.opened_at,
            resolved_at=alert.resolved_at if event == "resolved" else None,
            next_step=check.next_step,
            runbook=f"{self._runbook}#{check.name}",
            release=self.release,
            host=self._host,
            environment=self._environment,
            remark=remark,
        )
