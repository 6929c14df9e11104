"""Every route of the OpenAPI document, attacked: with both fences, with each of them alone, and, to see that they bite, with none."""

import json

import pytest
from litestar import Litestar

from app.lib.openapi import document_of
from tests.contract.cases import CASES
from tests.contract.isolation import STRIPPED, attack_all, operations, raid, strip, unknown_ids, world
from tests.contract.routes import WITHOUT_COMPANY, of_staff


def test_every_id_that_the_document_takes_is_tried_with_another_companys(app: Litestar) -> None:
    document = json.loads(document_of(app))
    assert unknown_ids(document) == []
    tried = {route for route in operations(document) if not of_staff(route)}
    assert tried - set(WITHOUT_COMPANY) == set(CASES)


FENCES = [
    pytest.param(True, True, id="both"),
    pytest.param(False, True, id="predicates-alone"),
    pytest.param(True, False, id="policies-alone"),
]


@pytest.mark.parametrize(("policies", "predicates"), FENCES)
async def test_nothing_is_told_and_nothing_changed_behind(
    environ: dict[str, str], worker_id: str, *, policies: bool, predicates: bool
) -> None:
    """One route in so many, another part with each fence; whatever passes both passes each of them."""
    every = 3 if policies and predicates else 2
    await hold(environ, worker_id, policies=policies, predicates=predicates, every=every, first=int(policies))


@pytest.mark.proof
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize(("policies", "predicates"), FENCES)
async def test_nothing_of_any_route_is_told_and_nothing_changed_behind(
    environ: dict[str, str], worker_id: str, *, policies: bool, predicates: bool
) -> None:
    await hold(environ, worker_id, policies=policies, predicates=predicates)


async def hold(
    environ: dict[str, str], worker_id: str, *, policies: bool, predicates: bool, every: int = 1, first: int = 0
) -> None:
    """Attack, and find nothing."""
    name = f"isolation_{worker_id}_{int(policies)}{int(predicates)}"
    async with world(environ, name, policies=policies, predicates=predicates) as made:
        found = await attack_all(made, every, first)
    print(
        f"isolation, policies {'on' if policies else 'dropped'}, predicates {'on' if predicates else 'stripped'}: "
        f"{found.routes} routes, {found.requests} requests, {len(found.faults)} faults"
        + ("" if predicates else f", {STRIPPED[name]} prepared statements stripped")
    )
    assert found.faults == []
    assert found.requests > 9 * found.routes
    assert predicates or STRIPPED[name] > found.routes


async def test_without_any_fence_the_attacks_succeed(environ: dict[str, str], worker_id: str) -> None:
    """The control: were the policies still there, or the hook without teeth, the runs above would prove nothing."""
    # The end of the chain is spared: written for all companies at once it lets no write through, and hides the others.
    name = f"isolation_{worker_id}_00"
    async with world(environ, name, policies=False, predicates=False, spared="audit_head") as made:
        found = await raid(made)
    reads = {route for route in CASES if route[0] == "GET" and "{" in route[1]}
    print(
        f"isolation, no fence: {found.routes} routes, {len(found.leaking)} tell, {len(found.changing)} change another "
        f"company's rows, {len(found.breaking)} break"
    )
    assert reads - found.leaking - found.breaking == set()
    assert len(reads & found.leaking) > len(reads) // 2
    assert len(found.leaking) > len(reads)
    assert len(found.changing) > 2


def test_the_hook_takes_away_conditions_and_nothing_else() -> None:
    for said, bare in (
        ("SELECT 1 FROM sale WHERE sale.tenant_id = $1::UUID AND id = $2", "($1::uuid IS NULL OR true) AND id = $2"),
        ("SELECT 1 FROM t WHERE tenant_id = $1", "WHERE ($1::uuid IS NULL OR true)"),
        ("SELECT 1 FROM a JOIN b ON b.tenant_id = a.tenant_id", "b.tenant_id = a.tenant_id"),
        ("INSERT INTO a (tenant_id, id) VALUES ($1, $2)", "VALUES ($1, $2)"),
        ("JOIN tenant t ON t.tenant_id = $12", "ON ($12::uuid IS NULL OR true)"),
    ):
        assert strip(said).endswith(bare)
