"""Reports as files: CSV and XLSX row by row, PDF with its chart drawn. Nothing in a cell is ever run."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from app.domain.reports.asked import Asked
from app.domain.reports.tables import Column, Heading, Row, SeriesOut, Table, hidden, plain
from app.lib.money import as_price, as_quantity, cents
from app.lib.paper import Cell, Paper, letter
from app.lib.pesos import format_amount, format_number, format_percent, format_price

MARK: Final = "\ufeff"
"""Spreadsheets take a CSV without it for another encoding and spoil the accents."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_NUMBERS: Final = frozenset({"count", "money", "quantity", "price", "percent"})
_XLSX_FORMATS: Final = {"money": "#,##0.00", "quantity": "#,##0.######", "price": "#,##0.00####", "percent": "0.00%"}
MEDIA: Final = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": "application/pdf",
}


def defused(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA[:4]) else text


class CsvWriter:
    """Lines of a CSV file as they come."""

    def __init__(self, columns: Sequence[Column], asked: Asked) -> None:
        self._columns = columns
        self._secret = hidden(columns, asked)
        self._zone = ZoneInfo(asked.zone)
        self._text = io.StringIO()
        self._text.write(MARK)
        self._writer = csv.writer(self._text)
        self._writer.writerow([column.title for column in columns])

    def add(self, row: Row) -> None:
        """One more line."""
        self._writer.writerow(
            ["" if column.key in self._secret else self._cell(column, row.get(column.key)) for column in self._columns]
        )

    def take(self) -> bytes:
        """What was written since last asked."""
        found = self._text.getvalue().encode()
        self._text.seek(0)
        self._text.truncate()
        return found

    @property
    def waiting(self) -> int:
        """Letters that nobody has taken yet."""
        return self._text.tell()

    def _cell(self, column: Column, value: Any) -> Any:
        if value is None:
            return ""
        if isinstance(value, datetime):
            return value.astimezone(self._zone).strftime("%Y-%m-%d %H:%M:%S")
        if column.kind in _NUMBERS:
            return _exact(column, value)
        return defused(str(value)) if isinstance(value, str) else value


class XlsxWriter:
    """A workbook written row by row into a file; only one row is in memory."""

    def __init__(self, path: Path, columns: Sequence[Column], asked: Asked) -> None:
        from xlsxwriter import Workbook

        self._columns = columns
        self._secret = hidden(columns, asked)
        self._zone = ZoneInfo(asked.zone)
        options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "in_memory": False}
        self._book = Workbook(str(path), {**options, "tmpdir": str(path.parent)})
        self._sheet = self._book.add_worksheet("Informe")
        bold = self._book.add_format({"bold": True})
        self._formats = {kind: self._book.add_format({"num_format": form}) for kind, form in _XLSX_FORMATS.items()}
        for place, column in enumerate(columns):
            self._sheet.set_column(place, place, 16 if column.kind in _NUMBERS else 26)
            self._sheet.write_string(0, place, column.title, bold)
        self._line = 1

    def add(self, row: Row) -> None:
        """One more line. Texts are written as texts: none becomes a formula."""
        for place, column in enumerate(self._columns):
            value = None if column.key in self._secret else row.get(column.key)
            if value is None:
                continue
            if column.kind in _NUMBERS:
                self._sheet.write_number(self._line, place, value, self._formats.get(column.kind))
            elif isinstance(value, datetime):
                self._sheet.write_string(self._line, place, f"{value.astimezone(self._zone):%Y-%m-%d %H:%M:%S}")
            else:
                self._sheet.write_string(self._line, place, defused(str(plain(value))))
        self._line += 1

    def close(self) -> None:
        self._book.close()


def csv_file(table: Table, asked: Asked) -> bytes:
    """The whole report, its totals last."""
    writer = CsvWriter(table.columns, asked)
    for row in _with_totals(table):
        writer.add(row)
    return writer.take()


def xlsx_file(table: Table, asked: Asked) -> bytes:
    """The whole report, its totals last."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="mostrador-report-") as folder:
        path = Path(folder) / "informe.xlsx"
        writer = XlsxWriter(path, table.columns, asked)
        for row in _with_totals(table):
            writer.add(row)
        writer.close()
        return path.read_bytes()


def pdf_file(table: Table, asked: Asked, head: Heading) -> bytes:
    """The report on letter paper, its first series drawn above the rows."""
    secret = hidden(table.columns, asked)
    columns = [one for one in table.columns if one.kind != "id" and one.key not in secret]
    paper = letter(table.title)
    paper.text(head.company, size=13, bold=True)
    paper.text(f"NIT {head.nit}", size=8)
    paper.gap(4)
    paper.text(table.title, size=12, bold=True)
    paper.text(f"Del {asked.first:%d/%m/%Y} al {asked.last:%d/%m/%Y}", size=9)
    paper.gap(4)
    for one in table.series:
        if one.values:
            draw_chart(paper, one)
    for note in table.notes:
        paper.text(note, size=8)
    width = 1 / max(1, len(columns))
    paper.row([Cell(one.title, width, _side(one)) for one in columns], size=7, bold=True, shade=0.9, pad=2)
    for row in table.rows:
        paper.row([Cell(_printed(one, row.get(one.key), asked), width, _side(one)) for one in columns], size=7, pad=1)
    paper.rule()
    if table.totals:
        cells = [
            Cell(
                _printed(one, table.totals[one.key], asked) if one.key in table.totals else ("Total" if not n else ""),
                width,
                _side(one),
            )
            for n, one in enumerate(columns)
        ]
        paper.row(cells, size=7, bold=True, pad=1)
    return paper.pdf()


def draw_chart(paper: Paper, what: SeriesOut, height: float = 110) -> None:
    """Bars, or a line, of a series, with its largest figure and some of its labels."""
    values = [float(value) for value in what.values][:120]
    labels = what.labels[: len(values)]
    top, low = max(0.0, *values), min(0.0, *values)
    reach = (top - low) or 1.0

    def draw(canvas: Any, x: float, y: float) -> None:
        floor, room, width = y - height + 22, height - 40, paper.width
        step = width / len(values)
        zero = floor + room * -low / reach
        canvas.setFont("Helvetica-Bold", 8)
        canvas.drawString(x, y - 9, what.name)
        canvas.setFont("Helvetica", 6)
        canvas.drawRightString(x + width, y - 9, format_amount(max(what.values)))
        canvas.setLineWidth(0.5)
        canvas.line(x, zero, x + width, zero)
        canvas.setFillGray(0.45)
        for n, value in enumerate(values):
            tall = room * value / reach
            if what.kind == "line":
                if n:
                    before = room * values[n - 1] / reach
                    canvas.line(x + (n - 0.5) * step, zero + before, x + (n + 0.5) * step, zero + tall)
                elif len(values) == 1:
                    canvas.circle(x + step / 2, zero + tall, 1.5, stroke=0, fill=1)
            else:
                canvas.rect(x + n * step + step * 0.1, min(zero, zero + tall), step * 0.8, abs(tall), stroke=0, fill=1)
        canvas.setFillGray(0)
        every = max(1, -(-len(values) // 12))
        for n in range(0, len(values), every):
            canvas.drawString(x + n * step, floor - 8, labels[n][: max(4, int(step * every / 3.2))])

    paper.drawing(height, draw)


def file_of(table: Table, asked: Asked, head: Heading) -> bytes:
    """The report in its asked format, other than JSON."""
    if asked.format == "csv":
        return csv_file(table, asked)
    return xlsx_file(table, asked) if asked.format == "xlsx" else pdf_file(table, asked, head)


def _with_totals(table: Table) -> Iterable[Row]:
    yield from table.rows
    if table.totals and table.rows:
        first = table.columns[0]
        yield ({first.key: "Total"} if first.key not in table.totals and first.kind == "text" else {}) | table.totals


def _exact(column: Column, value: Any) -> Any:
    if column.kind == "money":
        return cents(Decimal(value))
    if column.kind == "quantity":
        return as_quantity(Decimal(value))
    return as_price(Decimal(value)) if column.kind == "price" else value


def _side(column: Column) -> Any:
    return "right" if column.kind in _NUMBERS else "left"


def _printed(column: Column, value: Any, asked: Asked) -> str:
    if value is None:
        return ""
    forms = {"money": format_amount, "quantity": format_number, "price": format_price, "percent": format_percent}
    if form := forms.get(column.kind):
        return form(Decimal(value))
    if isinstance(value, datetime):
        return f"{value.astimezone(ZoneInfo(asked.zone)):%d/%m/%Y %H:%M}"
    return f"{value:%d/%m/%Y}" if isinstance(value, date) else str(value)
