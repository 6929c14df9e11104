"""`mostrador verify`: everything that must be right before a deploy, one line each, with its cure.

A new area adds its `CHECKS` to the list below; nothing else knows them.
"""

from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Final

from app.ops.verify import companies, database, keeping, machine, payments, running, services, variables
from app.ops.verify.check import Check, Context, Result, answer
from app.settings import Settings, SettingsError, read_settings

CHECKS: Final[tuple[Check, ...]] = tuple(
    chain(
        variables.CHECKS,
        database.CHECKS,
        services.CHECKS,
        payments.CHECKS,
        companies.CHECKS,
        keeping.CHECKS,
        machine.CHECKS,
        running.CHECKS,
    )
)


class _Asked(Mapping[str, str]):
    """An environment that remembers which variables were read."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return self._environ[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._environ)

    def __len__(self) -> int:
        return len(self._environ)


def context_of(
    environ: Mapping[str, str],
    *,
    is_running: bool = False,
    evidence: Path | None = None,
    lock: Path | None = None,
    least_free: int = 2_000_000_000,
) -> Context:
    """What is to be checked, also where the variables are wrong."""
    asked = _Asked(environ)
    settings: Settings | None = None
    refused: tuple[str, ...] = ()
    try:
        settings = read_settings(asked)
    except SettingsError as error:
        refused = tuple(str(error).splitlines())
    return Context(
        environ=environ,
        settings=settings,
        refused=refused,
        known=frozenset(asked.names),
        is_running=is_running,
        evidence=evidence,
        lock=lock,
        least_free=least_free,
    )


async def verify(context: Context, checks: tuple[Check, ...] = CHECKS) -> list[Result]:
    """Ask everything, in order, for some need others to be right."""
    results: list[Result] = []
    red: set[str] = set()
    for check in checks:
        found = await answer(check, context, frozenset(red))
        results += found
        if any(result.state == "red" for result in found):
            red.add(check.name)
    return results
