"""What the sample hardware store sells: names, prices and codes are invented, units and taxes are real."""

from decimal import Decimal
from typing import Final, Literal

import msgspec
from stdnum import ean

_PREFIX: Final = "770999000"


class Pack(msgspec.Struct, frozen=True):
    """A box or a roll, with how often it is asked for instead of units."""

    unit_code: str
    factor: Decimal
    price: Decimal


class Good(msgspec.Struct, frozen=True):
    """A product with how it sells."""

    sku: str
    name: str
    category: str
    cost: Decimal
    price: Decimal
    popularity: int
    """Weight among all others."""
    stock: int
    """Units on the shelf when it is full."""
    most: Decimal
    """Units of the largest ordinary purchase."""
    unit_code: str = "94"
    step: Decimal = Decimal(1)
    """Units are sold in multiples of this."""
    tax_class: str = "iva19"
    brand: str = ""
    pack: Pack | None = None


def barcode(number: int) -> str:
    """EAN-13 of the store's own range."""
    body = f"{_PREFIX}{number:03}"
    return body + str(ean.calc_check_digit(body))


def _good(
    sku: str,
    name: str,
    category: str,
    cost: str,
    price: str,
    popularity: int,
    stock: int,
    most: str,
    *,
    unit: str = "94",
    step: str = "1",
    tax: Literal["iva19", "iva5", "excluded", "inc-bag"] = "iva19",
    brand: str = "",
    pack: tuple[str, str, str] | None = None,
) -> Good:
    return Good(
        sku=sku,
        name=name,
        category=category,
        cost=Decimal(cost),
        price=Decimal(price),
        popularity=popularity,
        stock=stock,
        most=Decimal(most),
        unit_code=unit,
        step=Decimal(step),
        tax_class=tax,
        brand=brand,
        pack=Pack(pack[0], Decimal(pack[1]), Decimal(pack[2])) if pack else None,
    )


GOODS: Final[tuple[Good, ...]] = (
    _good(
        "TOR-6X1",
        'Tornillo drywall 6x1"',
        "Tornillería",
        "35",
        "80",
        9,
        20_000,
        "60",
        step="5",
        pack=("BX", "100", "6500"),
    ),
    _good("CEM-50", "Cemento gris 50 kg", "Obra", "27500", "34900", 8, 240, "6", unit="BG", brand="Roca Fuerte"),
    _good(
        "CAB-12",
        "Cable THHN 12 AWG",
        "Eléctricos",
        "1650",
        "2600",
        7,
        3_000,
        "30",
        unit="MTR",
        step="0.5",
        pack=("RO", "100", "240000"),
    ),
    _good("BOM-9W", "Bombillo LED 9 W", "Eléctricos", "3900", "6900", 8, 400, "4", brand="Lumina"),
    _good(
        "PIN-VB1", "Pintura vinilo blanca 1 gal", "Pinturas", "38000", "54900", 5, 120, "3", unit="GLL", brand="Colorín"
    ),
    _good("TUB-12", 'Tubo PVC 1/2" x 6 m', "Plomería", "11800", "17500", 5, 160, "4"),
    _good("MAC-18", 'Machete 18"', "Herramienta agrícola", "14500", "21900", 2, 60, "2", tax="iva5", brand="Labriego"),
    _good("LAD-TOL", "Ladrillo tolete", "Obra", "780", "1150", 3, 12_000, "200", step="10", tax="excluded"),
    _good("TAL-12", 'Taladro percutor 1/2"', "Herramienta eléctrica", "168000", "249900", 1, 20, "1", brand="Potro"),
    _good("PUN-2", 'Puntilla 2" a granel', "Tornillería", "5200", "8400", 5, 300, "3", unit="KGM", step="0.25"),
    _good("SIL-280", "Silicona transparente 280 ml", "Adhesivos", "7300", "11900", 4, 150, "2", brand="Selfix"),
    _good("BOLSA", "Bolsa plástica", "Empaque", "40", "100", 9, 6_000, "2", tax="inc-bag"),
    _good("BRO-2", 'Brocha 2"', "Pinturas", "2900", "4900", 4, 150, "2"),
    _good("ROD-9", 'Rodillo 9"', "Pinturas", "7800", "12500", 3, 90, "1"),
    _good("THI-1", "Thinner corriente botella", "Pinturas", "5600", "8900", 3, 140, "2"),
    _good("LIJ-150", "Lija de agua 150", "Pinturas", "900", "1600", 5, 600, "6"),
    _good("CIN-TEF", 'Cinta teflón 1/2"', "Plomería", "700", "1500", 6, 500, "4"),
    _good("COD-12", 'Codo PVC 1/2" x 90°', "Plomería", "450", "900", 6, 1_200, "10"),
    _good("LLA-TER", 'Llave terminal 1/2"', "Plomería", "9800", "15900", 2, 60, "2", brand="Grifal"),
    _good("PEG-PVC", "Pegante PVC 1/32 gal", "Plomería", "7900", "12900", 3, 90, "1"),
    _good("SIF-LVM", "Sifón lavamanos", "Plomería", "6900", "11500", 2, 60, "1"),
    _good(
        "MAN-12",
        'Manguera jardín 1/2"',
        "Jardín",
        "1900",
        "3200",
        2,
        600,
        "20",
        unit="MTR",
        step="1",
        pack=("RO", "50", "148000"),
    ),
    _good("TOM-DOB", "Tomacorriente doble", "Eléctricos", "4200", "7500", 4, 200, "4", brand="Lumina"),
    _good("INT-SEN", "Interruptor sencillo", "Eléctricos", "3800", "6500", 4, 200, "4", brand="Lumina"),
    _good("CIN-AIS", "Cinta aislante negra", "Eléctricos", "1800", "3200", 5, 300, "3"),
    _good("BRE-20", "Breaker 20 A", "Eléctricos", "11200", "17900", 2, 60, "2"),
    _good("EXT-5", "Extensión 5 m", "Eléctricos", "12500", "19900", 2, 60, "1"),
    _good("MAR-UNA", "Martillo de uña 16 oz", "Herramienta manual", "15500", "24900", 2, 50, "1", brand="Potro"),
    _good("DES-EST", "Destornillador estrella", "Herramienta manual", "4300", "7500", 3, 100, "2", brand="Potro"),
    _good("ALI-8", 'Alicate 8"', "Herramienta manual", "13800", "21900", 2, 60, "1", brand="Potro"),
    _good("MET-5", "Metro 5 m", "Herramienta manual", "6900", "11900", 3, 80, "1"),
    _good("SEG-20", 'Segueta 12"', "Herramienta manual", "2600", "4500", 2, 120, "2"),
    _good("GUA-VAQ", "Guante vaqueta", "Seguridad", "6800", "10900", 3, 120, "2", unit="PR"),
    _good("GAF-SEG", "Gafa de seguridad", "Seguridad", "3900", "6900", 2, 90, "2"),
    _good(
        "CHA-14",
        'Chazo plástico 1/4"',
        "Tornillería",
        "40",
        "100",
        6,
        8_000,
        "40",
        step="10",
        pack=("BX", "100", "8000"),
    ),
    _good("BIS-3", 'Bisagra 3"', "Cerrajería", "1900", "3500", 3, 240, "6"),
    _good("CAN-40", "Candado 40 mm", "Cerrajería", "11900", "18900", 2, 60, "1", brand="Cerrojo"),
    _good("CHP-ENT", "Chapa de entrada", "Cerrajería", "42000", "64900", 1, 25, "1", brand="Cerrojo"),
    _good("ARE-BUL", "Arena lavada bulto 40 kg", "Obra", "7500", "11900", 3, 160, "5", unit="BG"),
    _good("YES-25", "Yeso 25 kg", "Obra", "17500", "25900", 2, 60, "2", unit="BG"),
    _good("SOL-PVC", "Soldadura líquida epóxica", "Adhesivos", "8900", "14500", 2, 70, "1", brand="Selfix"),
)
"""In the order of their barcodes."""
