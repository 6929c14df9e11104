"""Code lists of DIAN and DANE as files of the package; `SOURCE.md` says where each comes from."""

import csv
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import msgspec


class Municipality(msgspec.Struct, frozen=True):
    """A municipality of Colombia."""

    code: str
    """DANE (DIVIPOLA), five digits."""
    name: str
    department_code: str
    department: str

    @property
    def full_name(self) -> str:
        """`Mosquera, Cundinamarca`; Bogotá is its own department."""
        return self.name if self.name.endswith("D.C.") else f"{self.name}, {self.department}"


@cache
def municipalities() -> Mapping[str, Municipality]:
    """DANE code to municipality."""
    return MappingProxyType(
        {
            row["code"]: Municipality(row["code"], row["name"], row["department_code"], row["department_name"])
            for row in _rows("municipalities.csv")
        }
    )


@cache
def postal_codes() -> frozenset[str]:
    """Six digits each."""
    return frozenset(row["code"] for row in _rows("postal_codes.csv"))


@cache
def fiscal_codes() -> Mapping[str, Mapping[str, str]]:
    """Name of a list (`responsibilities`, `regimes`, …) to its codes with their Spanish names."""
    lists: dict[str, dict[str, str]] = {}
    for row in _rows("fiscal_codes.csv"):
        lists.setdefault(row["list"], {})[row["code"]] = row["name"]
    return MappingProxyType(lists)


def _rows(name: str) -> Iterator[dict[str, str]]:
    yield from csv.DictReader(files(__package__ or "").joinpath(name).read_text("utf-8").splitlines())
