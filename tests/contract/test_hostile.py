"""Hostile bodies on every route that reads one: a refusal with a place, never a failure of ours."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.contract.cases import CASES
from tests.contract.company import Company
from tests.contract.routes import Call, Case, with_value

AUTH: dict[str, Any] = {
    "/v1/auth/signup": {
        "company": {"name": "Tienda", "nit": "901555123-8"},
        "owner": {"name": "Ana", "email": "ana@tienda.test", "password": "una clave larga y propia"},
    },
    "/v1/auth/login": {"email": "ana@tienda.test", "password": "una clave larga y propia"},
    "/v1/auth/refresh": {"refreshToken": "x"},
    "/v1/auth/verify-email": {"token": "x"},
    "/v1/auth/verify-email/resend": {"email": "ana@tienda.test"},
    "/v1/auth/forgot-password": {"email": "ana@tienda.test"},
    "/v1/auth/reset-password": {"token": "x", "password": "una clave larga y propia"},
    "/v1/auth/change-email": {"token": "x"},
    "/v1/auth/provider/login": {"email": "marta@operador.test", "password": "una clave larga y propia"},
    "/v1/auth/provider/refresh": {"refreshToken": "x"},
    "/v1/auth/switch": {"tenantId": "0193a1c2-7c4e-7000-8000-000000000000"},
    "/v1/auth/accept-invitation": {"token": "x", "password": "una clave larga y propia", "name": "Ana"},
}
UNREAD = {
    "/v1/imports/products": "a table, not JSON",
    "/v1/company/logo": "an image",
    "/v1/me/photo": "an image",
    "/v1/products/{product_id}/photos": "an image",
    "/v1/branches/{branch_id}/retire": "no body",
    "/v1/branches/{branch_id}/unretire": "no body",
    "/v1/warehouses/{warehouse_id}/retire": "no body",
    "/v1/warehouses/{warehouse_id}/unretire": "no body",
    "/v1/cash/registers/{register_id}/retire": "no body",
    "/v1/cash/registers/{register_id}/unretire": "no body",
    "/v1/imports/{import_id}/undo": "no body",
    "/v1/products/{product_id}/retire": "no body",
    "/v1/products/{product_id}/unretire": "no body",
    "/v1/held-tickets/{held_id}/resume": "no body",
    "/v1/inventory/counts/{count_id}/cancel": "no body",
    "/v1/dian/contingencies/{contingency_id}/end": "no body",
    "/v1/dian/documents/{document_id}/resend": "no body",
    "/v1/me/sessions/revoke-all": "no body",
    "/v1/billing/portal-session": "no body",
    "/v1/billing/resume": "no body",
    "/v1/demo": "no body",
    "/v1/support-tickets/{ticket_id}/close": "no body",
    "/v1/invitations/{invitation_id}/resend": "no body",
    "/v1/support-accesses/{support_access_id}/end": "no body",
    "/v1/members/{user_id}/require-password-change": "no body",
    "/v1/webhooks/endpoints/{endpoint_id}/test": "no body",
    "/v1/webhooks/deliveries/{delivery_id}/replay": "no body",
    "/v1/backups/{backup_id}/link": "no body",
    "/v1/backups/{backup_id}/verify": "no body",
}
"""Writes that read no JSON."""
BODIES = [case for case in CASES.values() if case.has_body and case.route[1] not in UNREAD]
DIGITS_400 = "1" + "0" * 400
TOO_BIG = 2 * 1_048_576


class Target:
    """One route with a right body."""

    def __init__(self, company: Company, method: str, path: str, body: Any) -> None:
        self._company = company
        self._method = method
        self._path = path
        self.body = body

    async def send(self, content: bytes) -> httpx.Response:
        headers = self._company.shop.headers | {"Idempotency-Key": uuid4().hex, "Content-Type": "application/json"}
        return await self._company.shop.http.request(self._method, self._path, content=content, headers=headers)

    async def send_raw(self, pointer: str, token: str) -> httpx.Response:
        """The right body with a raw token in one place: what no encoder would write."""
        content = json.dumps(with_value(self.body, pointer, "@@"), ensure_ascii=False).replace('"@@"', token, 1)
        return await self.send(content.encode())


async def target_of(company: Company, case: Case) -> Target:
    call: Call = await case.make(company)
    return Target(company, case.route[0], case.route[1].format(**call.path), call.body)


def leaves(value: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    """Every scalar of a body with its place."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{pointer}/{name}")
    elif isinstance(value, list):
        for n, inner in enumerate(value):
            yield from leaves(inner, f"{pointer}/{n}")
    else:
        yield pointer, value


def objects(value: Any, pointer: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        yield pointer
    for name, inner in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield from objects(inner, f"{pointer}/{name}")


def refused(answer: httpx.Response, what: str) -> dict[str, Any]:
    """A refusal in our words; anything else is a failure."""
    assert 400 <= answer.status_code < 500, f"{what}: {answer.status_code} {answer.text}"
    assert answer.headers["content-type"] == "application/problem+json", what
    body: dict[str, Any] = answer.json()
    assert body["code"], what
    assert body["status"] == answer.status_code, what
    assert body["instance"] == answer.headers["x-request-id"], what
    return body


def check_place(answer: httpx.Response, pointer: str, what: str) -> None:
    body = refused(answer, f"{what} at {pointer}")
    places = [error["pointer"] for error in body.get("errors", [])]
    assert any(is_place(place, pointer) for place in places), f"{what}: {pointer} not in {places}: {body}"


def is_place(found: str, wanted: str) -> bool:
    """Whether a pointer names a place; `*` is a member whose name the decoder does not tell (a number out of range)."""
    steps = list(zip(found.split("/"), wanted.split("/"), strict=False))
    return found.count("/") == wanted.count("/") and all(step in {"*", other} for step, other in steps)


async def attack(target: Target) -> int:
    """Send everything hostile to one route; answers how many were refused."""
    body = json.dumps(target.body or {}).encode()
    whole = {
        "invalid UTF-8": b'{"\xff\xfe": "\xc3\x28"}',
        "a truncated body": body[:-1] if target.body else b"{",
        "deep lists": b"[" * 100_000,
        "closed deep lists": b"[" * 100_000 + b"]" * 100_000,
        "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        "a deep unknown member": b'{"nonsense":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        "a member one step too deep": b'{"nonsense":' + b"[" * 64 + b"]" * 64 + b"}",
        "a list one step too deep": b"[" * 65 + b"]" * 65,
        "a raw NUL": b'{"nonsense": "\x00"}',
        "an escaped NUL": b'{"nonsense": "\\u0000"}',
        "NaN": b'{"nonsense": NaN}',
        "Infinity": b"Infinity",
        "no JSON": b"hola",
        "a number": b"1",
        "a list": b"[]",
        "null": b"null",
        "a text": b'"x"',
        "a byte order mark": b"\xef\xbb\xbf" + body,
        "too much": b'{"nonsense": "' + b"x" * TOO_BIG + b'"}',
    }
    sent = 0
    for what, content in whole.items():
        answer = await target.send(content)
        problem = refused(answer, what)
        if what == "too much":
            assert (answer.status_code, problem["code"]) == (413, "too-large")
        else:
            assert answer.status_code == 400, f"{what}: {answer.text}"
        sent += 1
    for place in objects(target.body or {}):
        answer = await target.send(json.dumps(with_value(target.body or {}, f"{place}/nonsense", 1)).encode())
        check_place(answer, f"{place}/nonsense", "an unknown field")
        sent += 1
    for pointer, value in leaves(target.body or {}):
        for token in ("NaN", "-Infinity", "01"):
            refused(await target.send_raw(pointer, token), f"{token} at {pointer}")
        tokens = {"a wrong type": '{"a": []}', "a list": "[1]", "too many digits": DIGITS_400}
        if isinstance(value, str):
            tokens |= {
                "a fraction": "1.5",
                "an exponent": "1e400",
                "an escaped NUL": '"a\\u0000b"',
                "a boolean": "true",
            }
        for what, token in tokens.items():
            check_place(await target.send_raw(pointer, token), pointer, what)
            sent += 1
        for token in ("9223372036854775808", "-9223372036854775809"):
            check_place(await target.send_raw(pointer, token), pointer, "beyond int64")
            sent += 1
        if isinstance(value, str):
            # Some texts may be empty or long: what counts is that no answer is a failure of ours.
            for token in ('"\x00"', '""', json.dumps("x" * 100_000), '"\\ud800"', '"\u202e\u200f"', '"2026-02-30"'):
                answer = await target.send_raw(pointer, token)
                assert answer.status_code < 500, f"{token[:20]} at {pointer}: {answer.text}"
                sent += 1
    return sent


@pytest.mark.parametrize("case", BODIES, ids=lambda case: case.name)
async def test_a_hostile_body_is_refused_with_its_place(company: Company, case: Case) -> None:
    assert await attack(await target_of(company, case)) >= 17


@pytest.mark.parametrize("path", AUTH)
async def test_a_hostile_body_without_a_login_is_refused_with_its_place(company: Company, path: str) -> None:
    assert await attack(Target(company, "POST", path, AUTH[path])) >= 17
