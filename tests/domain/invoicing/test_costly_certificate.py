"""A .p12 whose own numbers ask for minutes of work harms nobody."""

import asyncio
import base64
import time

from app.domain.invoicing.vault import Vault
from app.integrations.dian.certificate import open_p12
from tests.dian_keys import PASSWORD, p12
from tests.domain.invoicing.issuer import Company

_DIGEST = bytes.fromhex("300d0609608648016503040201")
_FEW = b"\x02\x02\x08\x00"
_MANY = b"\x02\x04\x10\x00\x00\x00"


def costly(file: bytes) -> bytes:
    """The same file, its seal to be checked 0x10000000 times: three lengths and the last number change."""
    assert file.startswith(b"\x30\x82")
    assert file.endswith(_FEW)
    start, grown = file.rfind(_DIGEST) - 4, len(_MANY) - len(_FEW)
    changed = bytearray(file.removesuffix(_FEW) + _MANY)
    assert changed[start] == 0x30
    changed[start + 1] += grown
    changed[2:4] = (int.from_bytes(file[2:4], "big") + grown).to_bytes(2, "big")
    return bytes(changed)


async def test_the_interface_goes_on_while_a_costly_file_is_opened_and_refuses_it(company: Company) -> None:
    file = base64.b64encode(costly(p12(nit=company.nit))).decode()
    upload = asyncio.create_task(company.put("/v1/dian/certificate", {"file": file, "password": PASSWORD}))
    longest = 0.0
    while not upload.done():
        began = time.monotonic()
        await asyncio.sleep(0.02)
        longest = max(longest, time.monotonic() - began)
    refused = upload.result()
    assert (refused.status_code, refused.json()["code"]) == (422, "certificate-too-costly"), refused.text
    assert longest < 2.0
    assert len(await company.rows("SELECT 1 FROM dian_certificate WHERE tenant_id = :t AND retired_at IS NULL")) == 1


async def test_what_is_kept_opens_with_few_rounds_and_has_the_same_key(company: Company) -> None:
    file = p12(nit=company.nit)
    kept = await company.put("/v1/dian/certificate", {"file": base64.b64encode(file).decode(), "password": PASSWORD})
    assert kept.status_code == 200, kept.text
    (row,) = await company.rows("SELECT sealed FROM dian_certificate WHERE tenant_id = :t AND retired_at IS NULL")
    inside = Vault(company.database.settings).open_certificate(company.tenant_id, row.sealed)
    assert inside.p12 != file
    again = open_p12(inside.p12, inside.password)
    assert again.key.private_numbers() == open_p12(file, PASSWORD).key.private_numbers()
    assert again.listed == open_p12(file, PASSWORD).listed
