"""Sales for the bookkeeper: one balanced entry a day and branch, in accounts of the PUC (Decreto 2650 de 1993) or the company's own."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from msgspec import Meta
from sqlalchemy import delete, select, text

from app.db.session import Work
from app.domain.reports.asked import MAX_ROWS, Asked
from app.domain.reports.facts import SALES, TAXES, TENDERS, UNFOLDED
from app.domain.reports.models import ReportAccount
from app.domain.reports.sources import condition
from app.domain.reports.tables import Column, Row, Table, series, sums
from app.lib.errors import FieldError, RuleBroken
from app.lib.money import ZERO
from app.lib.schemas import Input, Output
from app.lib.tenders import METHOD_NAMES

Package = Literal["plain", "siigo", "world-office"]
FINAL_CONSUMER: Final = "222222222222"
"""Whose name a day's sales are in: DIAN's number of the unnamed buyer."""

CONCEPTS: Final[dict[str, tuple[str, str]]] = {
    "cash": ("110505", "Caja general"),
    "debit-card": ("111005", "Bancos: tarjeta débito"),
    "credit-card": ("111005", "Bancos: tarjeta crédito"),
    "transfer": ("111005", "Bancos: transferencias"),
    "nequi": ("112005", "Cuentas de ahorro: Nequi"),
    "daviplata": ("112005", "Cuentas de ahorro: Daviplata"),
    "check": ("110505", "Caja general: cheques"),
    "voucher": ("138095", "Deudores varios: bonos"),
    "other-tender": ("138095", "Deudores varios: otros medios"),
    "sales-taxed": ("413595", "Ingresos: ventas gravadas"),
    "sales-untaxed": ("413595", "Ingresos: ventas exentas y excluidas"),
    "returns": ("417505", "Devoluciones, rebajas y descuentos en ventas"),
    "vat": ("240805", "IVA generado"),
    "consumption-tax": ("249505", "Impuesto nacional al consumo"),
    "unit-tax": ("249505", "Impuestos por unidad (bolsas, bebidas)"),
    "cost": ("613595", "Costo de ventas"),
    "stock": ("143505", "Mercancías no fabricadas por la empresa"),
    "rounding-income": ("429581", "Ajuste al peso, a favor"),
    "rounding-expense": ("539595", "Ajuste al peso, en contra"),
}
"""Concept to its usual account and what it is."""


class AccountOut(Output):
    """A concept and where it is booked."""

    concept: str
    name: str
    account: str
    is_own: bool
    """Set by the company; else the usual one."""


class AccountsOut(Output):
    items: list[AccountOut]


class SetAccount(Input):
    concept: str
    account: Annotated[str, Meta(pattern=r"^[0-9]{4,10}$", examples=["413536"])]


class SetAccounts(Input):
    """The company's own accounts, all of them."""

    items: Annotated[list[SetAccount], Meta(max_length=len(CONCEPTS))]


_IDS: Final = (Column("branchId", "Sucursal", "id"),)
_PLAIN: Final = (
    Column("day", "Fecha", "day"),
    Column("voucher", "Comprobante"),
    Column("branch", "Sucursal"),
    Column("account", "Cuenta"),
    Column("accountName", "Nombre de la cuenta"),
    Column("description", "Detalle"),
    Column("thirdParty", "Tercero"),
    Column("debit", "Débito", "money", is_summed=True),
    Column("credit", "Crédito", "money", is_summed=True),
    Column("taxBase", "Base gravable", "money"),
    *_IDS,
)
_SIIGO: Final = (
    Column("voucherType", "Tipo de comprobante"),
    Column("number", "Consecutivo comprobante", "count"),
    Column("dayWritten", "Fecha de elaboración"),
    Column("currency", "Sigla moneda"),
    Column("rate", "Tasa de cambio"),
    Column("account", "Código cuenta contable"),
    Column("thirdParty", "Identificación tercero"),
    Column("description", "Descripción"),
    Column("costCentre", "Código centro/subcentro de costos"),
    Column("debit", "Débito", "money", is_summed=True),
    Column("credit", "Crédito", "money", is_summed=True),
    Column("note", "Observaciones"),
    Column("taxBase", "Base gravable libro compras/ventas", "money"),
    *_IDS,
)
_WORLD_OFFICE: Final = (
    Column("company", "Encab: Empresa"),
    Column("voucherType", "Encab: Tipo Documento"),
    Column("prefix", "Encab: Prefijo"),
    Column("number", "Encab: Documento Número", "count"),
    Column("dayWritten", "Encab: Fecha"),
    Column("thirdParty", "Encab: Tercero Externo"),
    Column("note", "Encab: Nota"),
    Column("account", "Detalle Con: Cuenta"),
    Column("description", "Detalle Con: Nota"),
    Column("detailThirdParty", "Detalle Con: Tercero Externo"),
    Column("debit", "Detalle Con: Débito", "money", is_summed=True),
    Column("credit", "Detalle Con: Crédito", "money", is_summed=True),
    Column("costCentre", "Detalle Con: Centro costos"),
    *_IDS,
)
_COLUMNS: Final[dict[str, tuple[Column, ...]]] = {"plain": _PLAIN, "siigo": _SIIGO, "world-office": _WORLD_OFFICE}

_BRANCHES: Final = text("SELECT b.id, b.name, b.code FROM branch b WHERE b.tenant_id = :tenant_id")
_BOOKED: Final = f"""
WITH {UNFOLDED},
paid AS (SELECT f.day, f.branch_id, f.method, sum(f.total) AS total, sum(f.returned) AS returned
         FROM ({TENDERS.live()}) f WHERE {{wanted}} GROUP BY 1, 2, 3),
taxed AS (SELECT f.day, f.branch_id, f.kind = 'sale' AS is_sale, f.tax_class, f.tax_rate, sum(f.base) AS base,
                 sum(f.tax) AS tax, sum(f.nominal) AS nominal
          FROM ({TAXES.live()}) f WHERE {{wanted}} GROUP BY 1, 2, 3, 4, 5),
cost AS (SELECT f.day, f.branch_id, sum(f.cost) AS cost FROM ({SALES.live()}) f WHERE {{wanted}} GROUP BY 1, 2)
SELECT 1 AS place, day, branch_id, method AS what, NULL AS tribute, NULL AS rate, total AS a, returned AS b, 0.00 AS c,
       true AS is_sale FROM paid
UNION ALL
SELECT 2, t.day, t.branch_id, k.name, k.tribute, t.tax_rate, t.base, t.tax, t.nominal, t.is_sale
FROM taxed t JOIN tax_class k ON k.code = t.tax_class
UNION ALL SELECT 3, day, branch_id, 'cost', NULL, NULL, cost, 0, 0, true FROM cost
ORDER BY 2, 3, 1, 4, 6, 10 DESC"""
_CONSUMPTION: Final = "04"
"""DIAN's code of the impuesto nacional al consumo."""


_OF_TENDERS, _OF_TAXES = 1, 2


class _Entry:
    """Lines of one day and branch."""

    def __init__(self, usual: dict[str, str]) -> None:
        self._accounts = usual
        self.lines: list[Row] = []

    def book(self, concept: str, description: str, debit: Decimal, base: Decimal | None = None) -> None:
        """A line, in debit when positive and in credit when negative; nothing for nothing."""
        if not debit:
            return
        self.lines.append(
            {
                "account": self._accounts[concept],
                "accountName": CONCEPTS[concept][1],
                "description": description,
                "debit": max(debit, ZERO),
                "credit": max(-debit, ZERO),
                "taxBase": base,
            }
        )

    def add(self, row: Any, *, with_costs: bool) -> None:
        """What a row of the day's sums is booked as."""
        if row.place == _OF_TENDERS and row.what == "rounding":
            self.book("rounding-expense" if row.a > 0 else "rounding-income", "Ajuste al peso", row.a)
        elif row.place == _OF_TENDERS:
            concept = row.what if row.what in CONCEPTS else "other-tender"
            name = METHOD_NAMES.get(row.what, row.what)
            self.book(concept, f"Ventas del día: {name}", row.a + row.b)
            self.book(concept, f"Devoluciones del día: {name}", -row.b)
        elif row.place == _OF_TAXES:
            self._taxed(row)
        elif with_costs:
            self.book("cost", "Costo de lo vendido", row.a)
            self.book("stock", "Salida de mercancía", -row.a)

    def _taxed(self, row: Any) -> None:
        what = f"{'Ventas' if row.is_sale else 'Devoluciones'}: {row.what}"
        sold = "sales-taxed" if row.rate or row.b else "sales-untaxed"
        self.book(sold if row.is_sale else "returns", what, -row.a)
        self.book("consumption-tax" if row.tribute == _CONSUMPTION else "vat", what, -(row.b - row.c), abs(row.a))
        self.book("unit-tax", what, -row.c)


async def journal(work: Work, asked: Asked, package: Package) -> Table:
    """Entries of the period; each day and branch adds to zero. Without costs for whoever may not see them."""
    values = asked.values() | {"tenant_id": work.tenant_id}
    found = (await work.session.execute(text(_BOOKED.format(wanted=condition(asked))), values)).all()
    branches = {
        row.id: (row.code, row.name) for row in await work.session.execute(_BRANCHES, {"tenant_id": work.tenant_id})
    }
    own = await _own(work)
    usual = {concept: own.get(concept, account) for concept, (account, _) in CONCEPTS.items()}
    entries: dict[tuple[date, UUID], _Entry] = {}
    for row in found:
        entries.setdefault((row.day, row.branch_id), _Entry(usual)).add(row, with_costs=asked.sees_costs)
    made = [
        line | _shared(asked, day, branch_id, branches[branch_id], number)
        for number, ((day, branch_id), entry) in enumerate(entries.items(), start=1)
        for line in entry.lines
    ]
    columns = _COLUMNS[package]
    totals = sums(columns, made)
    notes = [] if asked.sees_costs else ["Sin el costo de ventas: quien lo pidió no puede ver costos."]
    return Table(
        name="accounting",
        title="Asientos de ventas",
        columns=columns,
        rows=made[:MAX_ROWS],
        totals=totals,
        has_more=len(made) > MAX_ROWS,
        series=[series("Débitos por día", _by_day(made), "name", "value", most=60)] if made else [],
        notes=notes,
    )


def _shared(asked: Asked, day: date, branch_id: UUID, branch: tuple[str, str], number: int) -> Row:
    code, name = branch
    link = asked.over(day, day).query(**({} if asked.branch_id else {"branchId": branch_id}))
    return {
        "day": day,
        "dayWritten": f"{day:%d/%m/%Y}",
        "voucher": f"{day:%Y%m%d}-{code}",
        "voucherType": "1",
        "prefix": "",
        "number": number,
        "branch": name,
        "branchId": branch_id,
        "company": "",
        "currency": "COP",
        "rate": "1",
        "thirdParty": FINAL_CONSUMER,
        "detailThirdParty": FINAL_CONSUMER,
        "costCentre": "",
        "note": f"Ventas de {name}, {day:%d/%m/%Y}",
        "link": f"/v1/reports/sales/documents?{link}",
    }


def _by_day(rows: Iterable[Row]) -> list[Row]:
    days: dict[str, Decimal] = {}
    for row in rows:
        days[str(row["day"])] = days.get(str(row["day"]), ZERO) + row["debit"]
    return [{"name": day, "value": value} for day, value in days.items()]


async def _own(work: Work) -> dict[str, str]:
    rows = await work.session.scalars(select(ReportAccount).where(ReportAccount.tenant_id == work.tenant_id))
    return {row.concept: row.account for row in rows}


async def accounts(work: Work) -> AccountsOut:
    """Every concept with its account."""
    own = await _own(work)
    return AccountsOut(
        items=[
            AccountOut(concept=concept, name=name, account=own.get(concept, usual), is_own=concept in own)
            for concept, (usual, name) in CONCEPTS.items()
        ]
    )


async def set_accounts(work: Work, data: SetAccounts) -> AccountsOut:
    """Put these in the place of the company's own. Raises 422 for a concept that there is not, or that stands twice."""
    chosen: dict[str, str] = {}
    for n, item in enumerate(data.items):
        if item.concept not in CONCEPTS or item.concept in chosen:
            raise RuleBroken(
                "Ese concepto no existe, o está dos veces.",
                code="unknown-concept",
                errors=(FieldError(f"/items/{n}/concept", "unknown-concept", f"Es uno de: {', '.join(CONCEPTS)}."),),
            )
        chosen[item.concept] = item.account
    before = await _own(work)
    await work.session.execute(delete(ReportAccount).where(ReportAccount.tenant_id == work.tenant_id))
    work.session.add_all(
        ReportAccount(tenant_id=work.tenant_id, concept=concept, account=account) for concept, account in chosen.items()
    )
    await work.flush()
    work.record("accounts.set", work.tenant_id, before=before, after=chosen)
    return await accounts(work)
