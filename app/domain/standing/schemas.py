"""Answers of a company's standing."""

from typing import Literal

from app.domain.tenants.limits import LimitOut
from app.lib.schemas import Output

Severity = Literal["info", "warning", "critical"]


class StepOut(Output):
    """One thing a new company does."""

    code: str
    title: str
    is_done: bool
    missing: list[str]
    """Fields or acts that are left, for programs."""


class OnboardingOut(Output):
    """The checklist of a new company, from its own facts."""

    steps: list[StepOut]
    done: int
    total: int
    is_complete: bool


class ModuleOut(Output):
    code: str
    name: str
    is_on: bool


class UseOut(Output):
    """The company's plan and how much of it is used."""

    plan: str
    plan_name: str
    modules: list[ModuleOut]
    limits: dict[str, LimitOut]
    """Storage in bytes; documents of this month, above whose limit nothing stops."""


class NoticeOut(Output):
    """Something that the company should know before it matters."""

    code: str
    severity: Severity
    detail: str


class NoticeList(Output):
    items: list[NoticeOut]
    next_cursor: str | None
