"""A company's way to DIAN in one step: what takes it a certificate vendor, the portal and some days in real life."""

import base64
from datetime import date, datetime
from typing import Final
from uuid import NAMESPACE_URL, uuid5

import msgspec

from app.dev.dian_simulator.authority import Authority
from app.dev.dian_simulator.clock import BOGOTA
from app.dev.dian_simulator.registry import Issuer, Range, Registry, Software, TestSet

TECHNICAL_KEY: Final = "fc8eac422eba16e22ffd8c6f94b3f40a6e38162c"
"""Of the range SETP, which DIAN gives to everybody for tests."""
_OWN_RANGES: Final = (
    ("18760000002", "CT", ["03"], 10_000),
    ("18760000003", "EPOS", ["20", "08"], 100_000),
    ("18760000004", "DS", ["05"], 100_000),
    ("18760000005", "CPOS", ["08"], 10_000),
)


class Enrol(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which company."""

    nit: str
    """Without check digit."""
    name: str
    mail: str = ""
    pin: str = "12345"
    software_id: str = ""
    """Made from the NIT when empty."""
    provider_nit: str = ""
    """Who owns the program; the company itself when empty."""
    password: str = "simulador"
    """Of the .p12."""
    needed: int = 50
    needed_by_kind: dict[str, int] = msgspec.field(default_factory=lambda: {"01": 30, "91": 10, "92": 10})
    """What its test set asks for."""


class Enrolled(msgspec.Struct, kw_only=True):
    """What the company has to type into its settings."""

    nit: str
    software_id: str
    pin: str
    test_set_id: str
    p12: str
    """Certificate, key and chain, in base64."""
    password: str
    ranges: list[Range]


def enrol(asked: Enrol, registry: Registry, authority: Authority, now: datetime) -> Enrolled:
    """Register the company with program, ranges and test set. Asked again, it has the same ones and a new certificate."""
    software_id = asked.software_id or str(uuid5(NAMESPACE_URL, f"dian:software:{asked.nit}"))
    test_set_id = str(uuid5(NAMESPACE_URL, f"dian:set:{asked.nit}"))
    year = now.astimezone(BOGOTA).year
    own = [
        Range(
            nit=asked.nit,
            authorization=authorization,
            prefix=prefix,
            first=1,
            last=last,
            valid_from=date(year - 1, 1, 1),
            valid_to=date(year + 1, 12, 31),
            kinds=kinds,
        )
        for authorization, prefix, kinds, last in _OWN_RANGES
    ]
    shared = Range(
        nit=asked.nit,
        authorization="18760000001",
        prefix="SETP",
        first=990_000_000,
        last=995_000_000,
        valid_from=date(2019, 1, 19),
        valid_to=date(2030, 1, 19),
        technical_key=TECHNICAL_KEY,
        kinds=["01", "02", "04"],
    )
    registry.add(
        Registry(
            issuers=[Issuer(nit=asked.nit, name=asked.name, mail=asked.mail)],
            software=[Software(id=software_id, nit=asked.nit, pin=asked.pin, provider_nit=asked.provider_nit)],
            ranges=[shared, *own],
            test_sets=[]
            if registry.test_set(test_set_id)
            else [
                TestSet(id=test_set_id, nit=asked.nit, needed=asked.needed, needed_by_kind=dict(asked.needed_by_kind))
            ],
        )
    )
    made = authority.issue(asked.nit, asked.name, asked.password, now)
    return Enrolled(
        nit=asked.nit,
        software_id=software_id,
        pin=asked.pin,
        test_set_id=test_set_id,
        p12=base64.b64encode(made).decode(),
        password=asked.password,
        ranges=[shared, *own],
    )
