"""100,000 names that a hardware shop could have, each once, and what a cashier types to find one of them."""

from collections.abc import Mapping, Sequence
from random import Random
from urllib.parse import quote

_THINGS = (
    "Tornillo", "Tuerca", "Arandela", "Chazo", "Puntilla", "Bisagra", "Cerradura", "Candado", "Manija",
    "Tubería", "Codo", "Unión", "Válvula", "Llave", "Grifería", "Manguera", "Cable", "Interruptor",
    "Tomacorriente", "Bombillo", "Breaker", "Cinta", "Pegante", "Silicona", "Pintura", "Brocha", "Rodillo",
    "Lija", "Disco", "Broca", "Martillo", "Destornillador", "Alicate", "Serrucho", "Taladro", "Pulidora",
    "Nivel", "Flexómetro", "Escuadra", "Palustre", "Carretilla", "Pala", "Azadón", "Machete", "Cemento",
    "Ladrillo", "Varilla", "Alambre", "Malla", "Ángulo",
)  # fmt: skip
_KINDS = (
    "galvanizado", "cromado", "de bronce", "de acero", "inoxidable", "plástico", "económico", "profesional",
    "liviano", "reforzado", "blanco", "negro", "gris", "eléctrico", "manual", "industrial", "doméstico",
    "para madera", "para concreto", "para lámina",
)  # fmt: skip
_SIZES = 100
COUNT = len(_THINGS) * len(_KINDS) * _SIZES
"""Distinct names there are."""


def product_name(number: int) -> str:
    """The name of product `number`, below `COUNT`."""
    rest, size = divmod(number, _SIZES)
    thing, kind = divmod(rest, len(_KINDS))
    return f"{_THINGS[thing]} {_KINDS[kind]} {size + 1} mm"


def sku(number: int) -> str:
    return f"F{number:07d}"


def barcode(number: int) -> str:
    """An EAN-13 of the Colombian prefix with a right check digit."""
    digits = f"770{number:09d}"
    weighted = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-weighted % 10}"


def with_typo(name: str, pick: Random) -> str:
    """The name as a hurried hand types it: no capital, and two neighbouring letters of the first word swapped."""
    at = pick.choice([n for n in range(1, name.index(" ") - 1) if name[n] != name[n + 1]])
    return (name[:at] + name[at + 1] + name[at] + name[at + 2 :]).lower()


def search_paths(numbers: Sequence[int]) -> Mapping[str, list[str]]:
    """The same products asked for in the four ways of the counter."""
    pick = Random(13)
    names = [product_name(number) for number in numbers]
    return {
        "barcode": [f"/v1/products?barcode={barcode(number)}" for number in numbers],
        "sku": [f"/v1/products?sku={sku(number)}" for number in numbers],
        "prefix": [f"/v1/products?search={quote(name[: name.index(' ') + 4])}" for name in names],
        "typo": [f"/v1/products?search={quote(with_typo(name, pick))}" for name in names],
    }
