"""Answers of imports."""

from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from app.domain.imports.lines import LineError
from app.lib.schemas import Output, Page

Status = Literal["checked", "applied", "undone"]


class LineErrorOut(Output):
    """What is wrong with one cell."""

    line: int
    """As the spreadsheet numbers it; the header is 1."""
    column: str
    code: str
    detail: str

    @classmethod
    def of(cls, error: LineError) -> "LineErrorOut":
        return cls(line=error.line, column=error.column, code=error.code, detail=error.detail)


class ImportSummaryOut(Output):
    """One file brought in, or checked by a dry run."""

    id: UUID
    kind: Literal["products"]
    status: Status
    """`checked`: a dry run, nothing was changed."""
    file_name: str
    lines: int
    accepted: int
    """Lines that became products, or would."""
    rejected: int
    new_categories: list[str]
    opening_lines: int
    """Products that came with stock."""
    opening_value: Decimal | None
    """Pesos of that stock; null without `costs:read`."""
    ignored_columns: list[str]
    adjustment_id: UUID | None
    user_id: UUID
    created_at: datetime
    undone_at: datetime | None


class ImportOut(ImportSummaryOut):
    """The same with its errors: the first thousand."""

    errors: list[LineErrorOut]


class ImportPage(Page):
    items: list[ImportSummaryOut]
