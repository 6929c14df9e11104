"""Routes, the requests that are right for them, and how a test sends one."""

import copy
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
from litestar import Litestar
from litestar.routes import HTTPRoute

from tests.contract.company import CSV, Company

Route = tuple[str, str]
"""Method and path, as `("GET", "/v1/sales/{sale_id}")`."""

WITHOUT_COMPANY: dict[Route, str] = {
    ("POST", "/v1/auth/signup"): "makes the company",
    ("POST", "/v1/auth/login"): "finds the company",
    ("POST", "/v1/auth/refresh"): "the token names its person",
    ("POST", "/v1/auth/logout"): "ends the session of its own token",
    ("POST", "/v1/auth/switch"): "chooses another company of the token's person",
    ("POST", "/v1/auth/verify-email"): "the mailed token is the credential",
    ("POST", "/v1/auth/verify-email/resend"): "answers nothing but that it was asked",
    ("POST", "/v1/auth/forgot-password"): "answers nothing but that it was asked",
    ("POST", "/v1/auth/reset-password"): "the mailed token is the credential",
    ("POST", "/v1/auth/change-email"): "the mailed token is the credential",
    ("POST", "/v1/auth/accept-invitation"): "the mailed token is the credential",
    ("POST", "/v1/auth/provider/login"): "of the operator's staff",
    ("POST", "/v1/auth/provider/refresh"): "the token names its person",
    ("POST", "/v1/auth/provider/logout"): "ends the session of its own token",
    ("GET", "/v1/public/photos/{tenant_id}/{photo_id}"): "the signed link is the credential",
    ("GET", "/v1/public/exports/{token}"): "the signed link is the credential",
    ("GET", "/health"): "of the platform",
    ("GET", "/health/live"): "of the process",
    ("GET", "/health/ready"): "of the process",
    ("GET", "/metrics"): "of the platform, behind its own token",
    ("POST", "/billing/webhooks/stripe"): "the signature is the credential",
    ("GET", "/schema"): "bundled page",
    ("GET", "/schema/openapi.json"): "the document",
    ("GET", "/schema/{path}"): "bundled page",
    ("GET", "/schema/static/{name}"): "bundled page",
}
"""Routes without a permission, and what they are instead."""


def of_staff(route: Route) -> bool:
    """Whether a route is the operator's staff's: `test_provider.py` tries those."""
    return route[1].startswith("/v1/provider/")


@dataclass
class Call:
    """A request that the company's owner is answered 2xx for."""

    path: dict[str, str] = field(default_factory=dict)
    body: Any = None
    content: bytes | None = None
    content_type: str = CSV


@dataclass(frozen=True)
class Case:
    route: Route
    make: Callable[[Company], Awaitable[Call]]
    references: dict[str, str]
    """JSON pointer of an id in the body to the kind of resource it names."""
    queries: dict[str, str]
    """Query parameter to the kind of resource it names."""
    named: dict[str, str] = field(default_factory=dict)
    """JSON pointer of an id that is compared and never looked up, or that this request does not need: whatever is answered
    with somebody else's, nothing of theirs may be told or change."""

    @property
    def name(self) -> str:
        return " ".join(self.route)

    @property
    def has_body(self) -> bool:
        return self.route[0] in {"POST", "PATCH", "PUT"}


KINDS = {"held_id": "held"}
"""Kind of resource that a path parameter names; otherwise its name without `_id`."""


CODES = frozenset({"kind"})
"""Path parameters that name something of ours, the same for every company: nobody's id."""


def ids_in(path: Iterable[str]) -> list[str]:
    """Those of a path's parameters that name something of a company."""
    return [name for name in path if name not in CODES]


def kind_of(parameter: str) -> str:
    return KINDS.get(parameter, parameter.removesuffix("_id"))


def routes_of(app: Litestar) -> dict[Route, Any]:
    """Every route of the application with its handler."""
    return {
        (method, route.path_format): handler
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method, (handler, _) in route.route_handler_map.items()
        if method != "OPTIONS"
    }


async def send(
    company: Company,
    route: Route,
    call: Call,
    *,
    token: str | None = None,
    key: str | None = "",
    query: dict[str, str] | None = None,
) -> httpx.Response:
    """Send a request; `key` None leaves the idempotency key away, `token` is somebody else's, or `""` for nobody's."""
    method, path = route
    headers = {}
    bearer = company.shop.token if token is None else token
    if bearer:
        headers["Authorization"] = f"Bearer {bearer}"
    if method != "GET" and key is not None:
        headers["Idempotency-Key"] = key or uuid4().hex
    content: dict[str, Any] = {}
    if call.content is not None:
        content, headers["Content-Type"] = {"content": call.content}, call.content_type
    elif call.body is not None:
        content = {"json": call.body}
    return await company.shop.http.request(method, path.format(**call.path), params=query, headers=headers, **content)


def with_value(body: Any, pointer: str, value: Any) -> Any:
    """A copy of a body with another value at a JSON pointer; a member that is missing is added."""
    changed = copy.deepcopy(body)
    *way, last = pointer.split("/")[1:]
    place = changed
    for step, following in zip(way, [*way, last][1:], strict=True):
        place = (
            place[int(step)] if isinstance(place, list) else place.setdefault(step, [] if following.isdigit() else {})
        )
    if isinstance(place, list):
        place[int(last) : int(last) + 1] = [value]
    else:
        place[last] = value
    return changed
