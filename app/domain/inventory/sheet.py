"""The kardex as a sheet: one text file that a spreadsheet opens."""

import csv
import io
from collections.abc import Iterable
from typing import Final
from zoneinfo import ZoneInfo

from app.domain.inventory.schemas import KardexLine

KIND_NAMES: Final = {
    "sale": "Venta",
    "return": "Devolución",
    "void": "Anulación",
    "opening": "Inventario inicial",
    "count": "Conteo",
    "damage": "Daño",
    "loss": "Pérdida",
    "found": "Sobrante",
    "other": "Otro",
    "shortfall": "Faltante de venta sin conexión",
    "revaluation": "Revaluación",
    "reversal": "Reversión",
    "transfer-out": "Traslado: salida",
    "transfer-in": "Traslado: entrada",
}
_HEADINGS: Final = (
    "Fecha",
    "Movimiento",
    "Documento",
    "Bodega",
    "Cantidad",
    "Costo unitario",
    "Valor",
    "Saldo en unidades",
    "Saldo en pesos",
)
_MARK: Final = "\ufeff"
"""Spreadsheets take a file without it for another encoding and spoil the accents."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def kardex_sheet(lines: Iterable[tuple[KardexLine, str]], zone: str) -> bytes:
    """Movements with their warehouse's name as CSV in UTF-8; instants in the shop's zone, amounts as exact numbers."""
    text = io.StringIO()
    text.write(_MARK)
    writer = csv.writer(text)
    writer.writerow(_HEADINGS)
    local = ZoneInfo(zone)
    for line, warehouse in lines:
        writer.writerow(
            (
                line.at.astimezone(local).strftime("%Y-%m-%d %H:%M:%S"),
                KIND_NAMES[line.kind],
                line.document_id,
                f"'{warehouse}" if warehouse.startswith(_FORMULA) else warehouse,
                line.quantity,
                line.unit_cost,
                line.value,
                line.balance_quantity,
                line.balance_value,
            )
        )
    return text.getvalue().encode()
