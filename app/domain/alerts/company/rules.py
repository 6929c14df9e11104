"""What a company set of each kind, and changing it."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.db.session import Work
from app.domain.alerts.company.kinds import KINDS, Kind, KindCode, usual_thresholds
from app.domain.alerts.company.models import CompanyAlertRule
from app.domain.alerts.company.schemas import ChangeRule, RuleList, RuleOut, ThresholdOut
from app.domain.alerts.notices import Severity
from app.lib import clock
from app.lib.errors import FieldError, NotFound, RuleBroken


class Rule(msgspec.Struct, frozen=True):
    """One kind as a company wants it."""

    is_on: bool
    severity: Severity
    thresholds: Mapping[str, int]


async def rules_of(work: Work) -> dict[KindCode, Rule]:
    """Of every kind; as usual where the company set nothing. A threshold that came later has its usual value."""
    found = select(CompanyAlertRule).where(CompanyAlertRule.tenant_id == work.tenant_id)
    rows = {row.kind: row for row in await work.session.scalars(found.execution_options(populate_existing=True))}
    rules = {}
    for code, kind in KINDS.items():
        row, usual = rows.get(code), usual_thresholds(code)
        if row is None:
            rules[code] = Rule(kind.is_on, kind.severity, usual)
        else:
            kept = {name: row.thresholds.get(name, value) for name, value in usual.items()}
            rules[code] = Rule(row.is_on, msgspec.convert(row.severity, Severity), kept)
    return rules


class RuleService:
    """Rules of the company of the request."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def page(self) -> RuleList:
        """All of them."""
        rules = await rules_of(self._work)
        return RuleList(items=[_out(code, rule) for code, rule in rules.items()], next_cursor=None)

    async def read(self, code: str) -> RuleOut:
        """One. Raises `NotFound`."""
        rules = await rules_of(self._work)
        if code not in rules:
            raise NotFound("No hay tal clase de alerta.")
        return _out(code, rules[code])

    async def change(self, code: str, data: ChangeRule, check: Callable[[RuleOut], None]) -> RuleOut:
        """Switch a rule, or set how bad it is and its thresholds. Raises `NotFound`, 422 `unknown-threshold`, `out-of-range`."""
        before = await self.read(code)
        check(before)
        kind = KINDS[before.kind]
        wanted = {} if data.thresholds is UNSET else data.thresholds
        _check(kind, wanted)
        thresholds = {one.name: one.value for one in before.thresholds} | wanted
        if before.kind == "no-open-register" and thresholds["fromHour"] >= thresholds["toHour"]:
            raise _refuse("toHour", "out-of-range", "La hora final debe ser posterior a la inicial.")
        values: dict[str, Any] = {
            "is_on": before.is_on if data.is_on is UNSET else data.is_on,
            "severity": before.severity if data.severity is UNSET else data.severity,
            "thresholds": thresholds,
            "updated_at": clock.now(),
        }
        await self._work.session.execute(
            insert(CompanyAlertRule)
            .values(tenant_id=self._work.tenant_id, kind=code, **values)
            .on_conflict_do_update(index_elements=["tenant_id", "kind"], set_=values)
        )
        saved = await self.read(code)
        if saved != before:
            self._work.record("alert-rule.changed", self._work.tenant_id, before=before, after=saved)
        return saved


def _check(kind: Kind, wanted: Mapping[str, int]) -> None:
    for name, value in wanted.items():
        threshold = kind.thresholds.get(name)
        if threshold is None:
            raise _refuse(name, "unknown-threshold", "Esta alerta no tiene ese umbral.")
        if not threshold.least <= value <= threshold.most:
            raise _refuse(name, "out-of-range", f"Va de {threshold.least} a {threshold.most}.")


def _refuse(name: str, code: str, detail: str) -> RuleBroken:
    pointer = name.replace("~", "~0").replace("/", "~1")
    return RuleBroken(detail, errors=(FieldError(f"/thresholds/{pointer}", code, detail),))


def _out(code: KindCode, rule: Rule) -> RuleOut:
    kind = KINDS[code]
    return RuleOut(
        kind=code,
        title=kind.title,
        description=kind.said,
        is_on=rule.is_on,
        severity=rule.severity,
        thresholds=[
            ThresholdOut(
                name=name,
                value=rule.thresholds[name],
                usual=one.usual,
                least=one.least,
                most=one.most,
                description=one.said,
            )
            for name, one in kind.thresholds.items()
        ],
    )
