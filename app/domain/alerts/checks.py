"""Names of the monitor's checks, for those who must know them without loading what the monitor loads."""

from typing import Final

CHECKS: Final = frozenset(
    {
        *("postgresql", "redis", "api", "tls", "smtp", "traffic", "disk", "clock"),
        *("worker", "queue", "dead-jobs", "schedules", "proofs", "webhooks", "channels"),
        *("dian", "documents-rejected", "contingency-deadline", "certificates", "ranges", "figures", "logged-values"),
        *("backup", "restore-drill", "company-backups"),
    }
)
"""Of every installation, whatever it is configured to use: `worker.checks` has these and no other."""
