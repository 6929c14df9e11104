"""Sizes and colours: one product for each combination."""

from typing import Any

import pytest

from tests.domain.catalog.test_products import created, found
from tests.shop import Shop

MATRIX = {"axes": [{"name": "talla", "values": ["S", "M"]}, {"name": "color", "values": ["Azul rey", "rojo"]}]}


async def test_a_matrix_makes_one_product_for_each_combination(shop: Shop) -> None:
    parent = await created(shop, sku="CAM", name="Camiseta", price="30000", cost="12000", brand="Propia")
    cells = [{"values": {"talla": "M", "color": "rojo"}, "price": "32000", "sku": "CAM-ESP", "barcodes": ["77"]}]
    answer = await shop.post(f"/v1/products/{parent['id']}/variants", MATRIX | {"cells": cells})
    assert answer.status_code == 201, answer.text
    made = answer.json()["items"]
    assert [(each["sku"], each["name"], each["price"]) for each in made] == [
        ("CAM-S-AZUL-REY", "Camiseta S Azul rey", "30000.00"),
        ("CAM-S-ROJO", "Camiseta S rojo", "30000.00"),
        ("CAM-M-AZUL-REY", "Camiseta M Azul rey", "30000.00"),
        ("CAM-ESP", "Camiseta M rojo", "32000.00"),
    ]
    for each in made:
        assert (each["variantOf"], each["cost"], each["brand"]) == (parent["id"], "12000.00", "Propia")
    assert made[3]["variantValues"] == {"talla": "M", "color": "rojo"}
    assert await found(shop, barcode="77") == ["CAM-ESP"]
    assert len(await found(shop, variantOf=parent["id"])) == 4


async def test_asking_again_makes_only_what_is_new(shop: Shop) -> None:
    parent = await created(shop, sku="CAM")
    path = f"/v1/products/{parent['id']}/variants"
    assert len((await shop.post(path, MATRIX)).json()["items"]) == 4
    assert (await shop.post(path, MATRIX)).json()["items"] == []
    more = {"axes": [{"name": "talla", "values": ["S", "M", "L"]}, MATRIX["axes"][1]]}
    assert [each["sku"] for each in (await shop.post(path, more)).json()["items"]] == ["CAM-L-AZUL-REY", "CAM-L-ROJO"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"axes": [{"name": "t", "values": ["S", "s"]}]}, "duplicate-value"),
        ({"axes": [{"name": "t", "values": ["S"]}, {"name": "t ", "values": ["M"]}]}, "duplicate-axis"),
        ({"axes": [{"name": n, "values": [str(v) for v in range(15)]} for n in "ab"]}, "too-many-variants"),
        ({"axes": [{"name": "t", "values": ["S"]}], "cells": [{"values": {"t": "X"}}]}, "unknown-variant"),
        ({"axes": [{"name": "t", "values": ["S"]}], "cells": [{"values": {"t": "S"}}] * 2}, "duplicate-variant"),
        ({"axes": [{"name": "t", "values": ["x" * 40]}]}, "sku-too-long"),
    ],
)
async def test_a_matrix_that_makes_no_sense_is_refused(shop: Shop, body: dict[str, Any], code: str) -> None:
    parent = await created(shop)
    answer = await shop.post(f"/v1/products/{parent['id']}/variants", body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_a_variant_has_no_variants_and_a_retired_product_gets_none(shop: Shop) -> None:
    parent = await created(shop)
    path = f"/v1/products/{parent['id']}"
    child = (await shop.post(f"{path}/variants", MATRIX)).json()["items"][0]
    answer = await shop.post(f"/v1/products/{child['id']}/variants", MATRIX)
    assert (answer.status_code, answer.json()["code"]) == (422, "variant-of-variant")
    await shop.post(f"{path}/retire")
    retired = await shop.post(f"{path}/variants", {"axes": [{"name": "x", "values": ["1"]}]})
    assert (retired.status_code, retired.json()["code"]) == (409, "product-retired")


async def test_a_taken_reference_makes_none_of_them(shop: Shop) -> None:
    parent = await created(shop, sku="CAM")
    await created(shop, sku="CAM-M-ROJO")
    answer = await shop.post(f"/v1/products/{parent['id']}/variants", MATRIX)
    assert (answer.status_code, answer.json()["code"]) == (409, "sku-taken")
    assert await found(shop, variantOf=parent["id"]) == []
