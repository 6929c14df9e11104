"""What a company is told of: each kind with its name, how bad it is, and the thresholds a company may set."""

from collections.abc import Mapping
from typing import Final, Literal, get_args

import msgspec

from app.domain.alerts.notices import Severity

KindCode = Literal[
    "no-open-register",
    "several-open-registers",
    "register-open-long",
    "no-sales",
    "stock-out",
    "stock-low",
    "range-ending",
    "certificate-ending",
]


class Threshold(msgspec.Struct, frozen=True):
    """A whole number that a company may set, with what it is unless set and what it may be."""

    usual: int
    least: int
    most: int
    said: str
    """In Spanish: what it means."""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to look at."""

    title: str
    severity: Severity
    said: str
    """When it is wrong, in Spanish."""
    next_step: str
    thresholds: Mapping[str, Threshold]
    is_on: bool = True
    """Unless the company says otherwise."""


_HOUR: Final = "Hora del día, de 0 a 24, en la zona de la empresa."

KINDS: Final[Mapping[KindCode, Kind]] = {
    "no-open-register": Kind(
        title="No hay ninguna caja abierta",
        severity="warning",
        said="En horario de atención no hay ningún turno de caja abierto, y en las últimas dos semanas sí los hubo ese día.",
        next_step="Abra un turno en Caja, o ajuste el horario de esta alerta.",
        thresholds={
            "fromHour": Threshold(9, 0, 23, f"Desde qué hora debe haber una caja abierta. {_HOUR}"),
            "toHour": Threshold(18, 1, 24, f"Hasta qué hora. {_HOUR}"),
        },
    ),
    "several-open-registers": Kind(
        title="Hay más cajas abiertas de lo normal",
        severity="info",
        said="Hay más turnos de caja abiertos a la vez que los que la empresa espera.",
        next_step="Revise quién abrió cada turno y cierre los que sobren.",
        thresholds={"most": Threshold(1, 1, 500, "Cuántos turnos abiertos a la vez son normales.")},
        is_on=False,
    ),
    "register-open-long": Kind(
        title="Un turno de caja lleva demasiado tiempo abierto",
        severity="warning",
        said="Un turno sigue abierto más horas de lo que dura una jornada: su cierre ya no dirá de qué día es la diferencia.",
        next_step="Cuente la caja y cierre el turno.",
        thresholds={"hours": Threshold(24, 1, 720, "Horas que puede durar un turno.")},
    ),
    "no-sales": Kind(
        title="Hoy no se ha vendido",
        severity="warning",
        said="Pasó la hora en que ese día de la semana ya suele haber ventas, y hoy no hay ninguna.",
        next_step="Compruebe que la tienda abrió y que las cajas pueden vender.",
        thresholds={
            "minutes": Threshold(60, 0, 720, "Minutos de espera después de la hora usual de la primera venta."),
        },
    ),
    "stock-out": Kind(
        title="Hay productos agotados",
        severity="warning",
        said="Productos a la venta cuya existencia llegó a cero en todas las bodegas.",
        next_step="Reponga los productos, o retírelos de la venta.",
        thresholds={"products": Threshold(1, 1, 10_000, "Desde cuántos productos agotados se avisa.")},
    ),
    "stock-low": Kind(
        title="Hay productos por debajo de su mínimo",
        severity="info",
        said="Productos con existencia, pero menos que su mínimo en alguna bodega.",
        next_step="Pida los productos a su proveedor.",
        thresholds={"products": Threshold(1, 1, 10_000, "Desde cuántos productos se avisa.")},
    ),
    "range-ending": Kind(
        title="Una numeración de documentos se acaba",
        severity="warning",
        said="A un rango autorizado por la DIAN le quedan pocos días o pocos números.",
        next_step="Pida otro rango a la DIAN y regístrelo en Documentos electrónicos.",
        thresholds={
            "days": Threshold(15, 1, 365, "Días que faltan para que venza."),
            "percent": Threshold(10, 1, 90, "Porcentaje de números que quedan."),
        },
    ),
    "certificate-ending": Kind(
        title="El certificado de firma vence pronto",
        severity="warning",
        said="Al certificado con que se firman los documentos electrónicos le quedan pocos días.",
        next_step="Renueve el certificado con su entidad y cárguelo en Documentos electrónicos.",
        thresholds={"days": Threshold(30, 1, 365, "Días que faltan para que venza.")},
    ),
}
"""In the order they are shown."""

assert KINDS.keys() == set(get_args(KindCode))


def usual_thresholds(kind: KindCode) -> dict[str, int]:
    """Those of a company that set none."""
    return {name: threshold.usual for name, threshold in KINDS[kind].thresholds.items()}
