"""Every route of the application with a request that is right: what strangers, cashiers and fuzzers change.

A route without an entry fails the contract tests.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import uuid4

from app.lib import clock
from tests.contract.company import IMPORT, PIN, Company, picture
from tests.contract.routes import Call, Case, Route, kind_of
from tests.shop import code_now

CASES: dict[Route, Case] = {}


def _recent(*, hours: int) -> str:
    """An instant so many hours ago."""
    return (clock.now() - timedelta(hours=hours)).isoformat()


def case(
    method: str,
    path: str,
    references: dict[str, str] | None = None,
    queries: dict[str, str] | None = None,
    named: dict[str, str] | None = None,
) -> Callable[[Callable[[Company], Awaitable[Call]]], None]:
    def add(make: Callable[[Company], Awaitable[Call]]) -> None:
        CASES[method, path] = Case((method, path), make, references or {}, queries or {}, named or {})

    return add


def plain(method: str, path: str, **queries: str) -> None:
    """A route whose right request has no body: ids of its path come from what every company has."""

    async def make(company: Company) -> Call:
        names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
        return Call({name: company.ids[kind_of(name)] for name in names})

    case(method, path, queries=queries)(make)


plain("GET", "/v1/me")
plain("GET", "/v1/me/totp")
plain("GET", "/v1/me/sessions")
plain("POST", "/v1/me/sessions/revoke-all")
plain("GET", "/v1/company")
plain("GET", "/v1/company/history")
plain("GET", "/v1/company/onboarding")
plain("GET", "/v1/company/plan")
plain("GET", "/v1/company/notices")
plain("GET", "/v1/municipalities")
plain("GET", "/v1/fiscal-codes")
plain("GET", "/v1/branches")
plain("GET", "/v1/branches/{branch_id}")
plain("GET", "/v1/warehouses", branchId="branch")
plain("GET", "/v1/warehouses/{warehouse_id}")
plain("GET", "/v1/cash/registers/{register_id}")
plain("DELETE", "/v1/me/pin")
plain("GET", "/v1/members")
plain("GET", "/v1/members/{user_id}")
plain("GET", "/v1/roles")
plain("GET", "/v1/roles/{role_id}")
plain("GET", "/v1/invitations")
plain("GET", "/v1/invitations/{invitation_id}")
plain("GET", "/v1/operators")
plain("GET", "/v1/approvals")
plain("GET", "/v1/api-keys")
plain("GET", "/v1/products", categoryId="category", variantOf="product")
plain("GET", "/v1/products/{product_id}")
plain("GET", "/v1/products/{product_id}/prices")
plain("GET", "/v1/products/{product_id}/kardex", warehouseId="warehouse")
plain("GET", "/v1/categories")
plain("GET", "/v1/categories/{category_id}")
plain("GET", "/v1/catalog/changes")
plain("GET", "/v1/tax-classes")
plain("GET", "/v1/units")
plain("GET", "/v1/sales", sessionId="session", customerId="customer")
plain("GET", "/v1/sales/{sale_id}")
plain("GET", "/v1/sales/{sale_id}/ticket.pdf")
plain("GET", "/v1/returns", saleId="sale")
plain("GET", "/v1/returns/{return_id}")
plain("GET", "/v1/held-tickets")
plain("GET", "/v1/inventory/adjustments")
plain("GET", "/v1/inventory/adjustments/{adjustment_id}")
plain("GET", "/v1/inventory/valuation")
plain("GET", "/v1/inventory/stock", productId="product", warehouseId="warehouse")
plain("GET", "/v1/inventory/conflicts")
plain("GET", "/v1/inventory/transfers", warehouseId="warehouse")
plain("GET", "/v1/inventory/transfers/{transfer_id}")
plain("GET", "/v1/inventory/counts")
plain("GET", "/v1/inventory/counts/{count_id}")
plain("GET", "/v1/inventory/counts/{count_id}/items")
plain("GET", "/v1/inventory/counts/{count_id}/entries", productId="product")
plain("GET", "/v1/inventory/counts/{count_id}/review")
plain("GET", "/v1/customers")
plain("GET", "/v1/customers/{customer_id}")
plain("GET", "/v1/cash/registers")
plain("GET", "/v1/cash/sessions", registerId="register")
plain("GET", "/v1/cash/sessions/{session_id}")
plain("GET", "/v1/cash/sessions/{session_id}/report")
plain("GET", "/v1/cash/sessions/{session_id}/movements")
plain("GET", "/v1/cash/movements/{movement_id}/receipt.pdf")
plain("GET", "/v1/imports")
plain("GET", "/v1/imports/products/template")
plain("GET", "/v1/imports/{import_id}")
plain("GET", "/v1/imports/{import_id}/errors")
plain("GET", "/v1/dian/settings")
plain("GET", "/v1/dian/readiness")
plain("GET", "/v1/dian/ranges")
plain("GET", "/v1/dian/contingencies")
plain("GET", "/v1/dian/habilitation")
plain("GET", "/v1/dian/documents", saleId="documented_sale")
plain("GET", "/v1/dian/documents/{document_id}")
plain("GET", "/v1/dian/documents/{document_id}/events")
plain("GET", "/v1/dian/documents/{document_id}/xml")
plain("GET", "/v1/dian/documents/{document_id}/pdf")
plain("GET", "/v1/dian/documents/{document_id}/attached-document")
plain("GET", "/v1/dian/documents/{document_id}/files")
plain("GET", "/v1/dian/documents/{document_id}/archive")
plain("GET", "/v1/dian/documents/{document_id}/deliveries")
plain("GET", "/v1/dian/delivery-settings")
plain("GET", "/v1/dian/deliveries")
plain("GET", "/v1/support-accesses")
plain("POST", "/v1/support-accesses/{support_access_id}/end")
plain("GET", "/v1/audit/entries", subjectId="product", userId="user")
plain("GET", "/v1/audit/export", subjectId="product", userId="user")
plain("GET", "/v1/audit/verify")
plain("GET", "/v1/audit/reconciliation")
plain("GET", "/v1/privacy/consents", customerId="customer", userId="user")
plain("GET", "/v1/privacy/customers/{customer_id}/export")
plain("GET", "/v1/privacy/members/{user_id}/export")
plain("GET", "/v1/products/{product_id}/photos")
plain("GET", "/v1/webhooks/event-types")
plain("GET", "/v1/webhooks/endpoints")
plain("GET", "/v1/webhooks/endpoints/{endpoint_id}")
plain("GET", "/v1/webhooks/deliveries", endpointId="endpoint")
plain("GET", "/v1/webhooks/deliveries/{delivery_id}")
plain("GET", "/v1/alerts")
plain("GET", "/v1/alerts/{alert_id}")
plain("GET", "/v1/alerts/rules")
plain("GET", "/v1/alerts/settings")
plain("GET", "/v1/alerts/preferences")


@case("PATCH", "/v1/me")
async def _(_company: Company) -> Call:
    return Call(body={"name": "Dueña de Prueba"})


@case("POST", "/v1/me/password")
async def _(company: Company) -> Call:
    await company.renew_account()
    return Call(body={"currentPassword": company.shop.password, "password": f"otra clave larga {uuid4().hex}"})


@case("POST", "/v1/me/email")
async def _(company: Company) -> Call:
    await company.renew_account()
    return Call(body={"email": f"otra-{uuid4().hex}@tienda.test", "currentPassword": company.shop.password})


@case("POST", "/v1/me/totp")
async def _(company: Company) -> Call:
    await company.renew_account()
    return Call(body={"currentPassword": company.shop.password})


@case("POST", "/v1/me/totp/confirm")
async def _(company: Company) -> Call:
    await company.renew_account()
    return Call(body={"code": code_now(await company.shop.begin_totp())})


@case("POST", "/v1/me/totp/disable")
async def _(company: Company) -> Call:
    await company.renew_account()
    _, codes = await company.shop.enable_totp()
    return Call(body={"currentPassword": company.shop.password, "code": codes[0]})


@case("POST", "/v1/me/totp/recovery-codes")
async def _(company: Company) -> Call:
    await company.renew_account()
    _, codes = await company.shop.enable_totp()
    return Call(body={"currentPassword": company.shop.password, "code": codes[0]})


@case("DELETE", "/v1/me/sessions/{login_session_id}")
async def _(company: Company) -> Call:
    return Call({"login_session_id": await company.login_session()})


@case("PATCH", "/v1/company")
async def _(company: Company) -> Call:
    return Call(
        body={
            "name": company.names[0],
            "tradeName": "El Tornillo",
            "organization": "company",
            "regime": "48",
            "tribute": "01",
            "responsibilities": ["O-13", "O-15"],
            "ciiu": ["4752"],
            "merchantRegistration": "12345",
            "ticketFooter": "Gracias por su compra",
            "address": "Calle 10 # 5-20",
            "municipalityCode": "11001",
            "postalCode": "110111",
            "phone": "601 555 1234",
            "email": "ventas@tornillo.co",
            "cashRounding": 0,
            "cashTolerance": "5000.00",
        }
    )


@case("GET", "/v1/company/logo")
async def _(company: Company) -> Call:
    await company.logo()
    return Call()


@case("PUT", "/v1/company/logo")
async def _(_company: Company) -> Call:
    return Call(content=picture(), content_type="image/png")


@case("DELETE", "/v1/company/logo")
async def _(_company: Company) -> Call:
    return Call()


@case("POST", "/v1/branches")
async def _(_company: Company) -> Call:
    return Call(
        body={
            "name": f"Sede {uuid4().hex[:8]}",
            "code": uuid4().hex[:4].upper(),
            "address": "Calle 10 # 5-20",
            "municipalityCode": "05001",
            "phone": "604 555 1234",
        }
    )


@case("PATCH", "/v1/branches/{branch_id}")
async def _(company: Company) -> Call:
    return Call(
        {"branch_id": await company.branch()},
        {"name": f"Otra {uuid4().hex[:8]}", "address": "Carrera 7", "municipalityCode": "11001", "phone": "1"},
    )


@case("POST", "/v1/branches/{branch_id}/retire")
async def _(company: Company) -> Call:
    return Call({"branch_id": await company.branch()})


@case("POST", "/v1/branches/{branch_id}/unretire")
async def _(company: Company) -> Call:
    branch_id = await company.branch()
    await company.made(f"/v1/branches/{branch_id}/retire", {})
    return Call({"branch_id": branch_id})


@case("POST", "/v1/warehouses", references={"/branchId": "branch"})
async def _(company: Company) -> Call:
    return Call(body={"branchId": company.ids["branch"], "name": f"Bodega {uuid4().hex[:8]}"})


@case("PATCH", "/v1/warehouses/{warehouse_id}")
async def _(company: Company) -> Call:
    return Call({"warehouse_id": await company.warehouse()}, {"name": f"Otra {uuid4().hex[:8]}", "isDefault": False})


@case("POST", "/v1/warehouses/{warehouse_id}/retire")
async def _(company: Company) -> Call:
    return Call({"warehouse_id": await company.warehouse()})


@case("POST", "/v1/warehouses/{warehouse_id}/unretire")
async def _(company: Company) -> Call:
    warehouse_id = await company.warehouse()
    await company.made(f"/v1/warehouses/{warehouse_id}/retire", {})
    return Call({"warehouse_id": warehouse_id})


@case("POST", "/v1/cash/registers", references={"/branchId": "branch", "/warehouseId": "warehouse"})
async def _(company: Company) -> Call:
    return Call(
        body={
            "branchId": company.ids["branch"],
            "warehouseId": company.ids["warehouse"],
            "name": f"Caja {uuid4().hex[:8]}",
        }
    )


@case("PATCH", "/v1/cash/registers/{register_id}", references={"/warehouseId": "warehouse"})
async def _(company: Company) -> Call:
    return Call(
        {"register_id": await company.register()},
        {"name": f"Otra {uuid4().hex[:8]}", "warehouseId": company.ids["warehouse"]},
    )


@case("POST", "/v1/cash/registers/{register_id}/retire")
async def _(company: Company) -> Call:
    return Call({"register_id": await company.register()})


@case("POST", "/v1/cash/registers/{register_id}/unretire")
async def _(company: Company) -> Call:
    register_id = await company.register()
    await company.made(f"/v1/cash/registers/{register_id}/retire", {})
    return Call({"register_id": register_id})


@case("POST", "/v1/products", references={"/categoryId": "category"})
async def _(company: Company) -> Call:
    sku = uuid4().hex[:12]
    return Call(
        body={
            "sku": sku,
            "name": f"Producto {sku}",
            "price": "11900.00",
            "taxClass": "iva19",
            "barcodes": [sku],
            "packs": [{"unitCode": "BX", "factor": "12", "price": "120000.00", "barcode": f"B{sku}"}],
            "cost": "5000",
            "minStock": "2",
            "categoryId": company.ids["category"],
            "brand": "Marca",
        }
    )


@case("PATCH", "/v1/products/{product_id}", references={"/categoryId": "category"})
async def _(company: Company) -> Call:
    product = await company.product()
    return Call(
        {"product_id": product["id"]},
        {"name": "Otro nombre", "price": "12000.00", "categoryId": company.ids["category"]},
    )


@case("POST", "/v1/products/{product_id}/variants")
async def _(company: Company) -> Call:
    product = await company.product()
    return Call(
        {"product_id": product["id"]},
        {
            "axes": [{"name": "talla", "values": ["S", "M"]}],
            "cells": [{"values": {"talla": "S"}, "sku": uuid4().hex[:12], "price": "9900.00"}],
        },
    )


@case("POST", "/v1/products/labels", references={"/lines/0/productId": "product"})
async def _(company: Company) -> Call:
    return Call(body={"lines": [{"productId": company.ids["product"], "copies": 2}], "format": "pdf"})


@case("POST", "/v1/products/{product_id}/retire")
async def _(company: Company) -> Call:
    return Call({"product_id": (await company.product())["id"]})


@case("POST", "/v1/products/{product_id}/unretire")
async def _(company: Company) -> Call:
    product = await company.product()
    await company.made(f"/v1/products/{product['id']}/retire", {})
    return Call({"product_id": product["id"]})


@case("POST", "/v1/categories", references={"/parentId": "category"})
async def _(company: Company) -> Call:
    return Call(body={"name": f"Dentro {uuid4().hex[:8]}", "parentId": company.ids["category"]})


@case("PATCH", "/v1/categories/{category_id}", references={"/parentId": "category"})
async def _(company: Company) -> Call:
    category = await company.category()
    return Call(
        {"category_id": category["id"]}, {"name": f"Otra {uuid4().hex[:8]}", "parentId": company.ids["category"]}
    )


@case("DELETE", "/v1/categories/{category_id}")
async def _(company: Company) -> Call:
    return Call({"category_id": (await company.category())["id"]})


@case(
    "POST",
    "/v1/categories/move",
    references={"/toCategoryId": "category", "/categoryIds/0": "category", "/productIds/0": "product"},
)
async def _(company: Company) -> Call:
    category, product = await company.category(), await company.product()
    return Call(
        body={
            "toCategoryId": company.ids["category"],
            "categoryIds": [category["id"]],
            "productIds": [product["id"]],
        }
    )


@case(
    "POST",
    "/v1/sales",
    references={
        "/sessionId": "session",
        "/customerId": "customer",
        "/sellerId": "user",
        "/lines/0/productId": "product",
    },
    named={"/approvalIds/0": "approval"},
)
async def _(company: Company) -> Call:
    return Call(
        body={
            "sessionId": company.ids["session"],
            "customerId": company.ids["customer"],
            "sellerId": company.ids["user"],
            "document": "none",
            "lines": [
                {"productId": company.ids["product"], "quantity": "2", "unitPrice": "11900.00", "discount": "100.00"}
            ],
            "discount": "100.00",
            "payments": [
                {"method": "nequi", "amount": "10000.00", "reference": "123"},
                {"method": "cash", "amount": "20000.00"},
            ],
        }
    )


@case(
    "POST",
    "/v1/sales/{sale_id}/void",
    references={"/sessionId": "session"},
    named={"/approvalId": "approval"},
)
async def _(company: Company) -> Call:
    sale = await company.sale()
    return Call({"sale_id": sale["id"]}, {"reason": "error de digitación", "sessionId": company.ids["session"]})


@case(
    "POST",
    "/v1/returns",
    references={"/saleId": "sale", "/lines/0/saleLineId": "sale_line", "/sessionId": "session"},
)
async def _(company: Company) -> Call:
    sale = await company.sale()
    return Call(
        body={
            "saleId": sale["id"],
            "sessionId": company.ids["session"],
            "lines": [{"saleLineId": sale["lines"][0]["id"], "quantity": "1"}],
            "refunds": [{"method": "cash", "amount": "11900.00", "reference": "caja"}],
            "reason": "talla equivocada",
        }
    )


@case(
    "POST",
    "/v1/held-tickets",
    references={"/registerId": "register", "/customerId": "customer", "/lines/0/productId": "product"},
)
async def _(company: Company) -> Call:
    return Call(
        body={
            "registerId": company.ids["register"],
            "label": "mesa 4",
            "customerId": company.ids["customer"],
            "discount": "100.00",
            "lines": [{"productId": company.ids["product"], "quantity": "1"}],
        }
    )


@case("POST", "/v1/held-tickets/{held_id}/resume")
async def _(company: Company) -> Call:
    return Call({"held_id": (await company.held())["id"]})


@case(
    "POST",
    "/v1/inventory/adjustments",
    references={"/warehouseId": "warehouse", "/lines/0/productId": "product"},
)
async def _(company: Company) -> Call:
    return Call(
        body={
            "reason": "found",
            "warehouseId": company.ids["warehouse"],
            "note": "bajo el mostrador",
            "lines": [{"productId": company.ids["product"], "quantity": "3", "unitCost": "5000.00"}],
        }
    )


@case("POST", "/v1/inventory/adjustments/{adjustment_id}/reverse")
async def _(company: Company) -> Call:
    return Call({"adjustment_id": (await company.adjustment())["id"]}, {"note": "repetido"})


@case(
    "POST",
    "/v1/inventory/revaluations",
    references={"/warehouseId": "warehouse", "/lines/0/productId": "product"},
)
async def _(company: Company) -> Call:
    return Call(
        body={
            "warehouseId": company.ids["warehouse"],
            "lines": [{"productId": company.ids["product"], "unitCost": "5000.00"}],
        }
    )


@case("POST", "/v1/inventory/conflicts/{conflict_id}/settle")
async def _(company: Company) -> Call:
    return Call({"conflict_id": await company.conflict()}, {"settlement": "accepted", "note": "estaban"})


@case(
    "POST",
    "/v1/inventory/transfers",
    references={
        "/fromWarehouseId": "warehouse",
        "/toWarehouseId": "warehouse",
        "/lines/0/productId": "product",
    },
)
async def _(company: Company) -> Call:
    return Call(
        body={
            "fromWarehouseId": company.ids["warehouse"],
            "toWarehouseId": company.ids["other_warehouse"],
            "lines": [{"productId": company.ids["product"], "quantity": "1"}],
            "note": "para la otra bodega",
        }
    )


@case("POST", "/v1/inventory/transfers/{transfer_id}/receive", references={"/lines/0/productId": "product"})
async def _(company: Company) -> Call:
    return Call(
        {"transfer_id": (await company.transfer())["id"]},
        {
            "lines": [{"productId": company.ids["product"], "quantity": "1", "lost": "0.5", "reason": "damage"}],
            "note": "una caja mojada",
        },
    )


@case("POST", "/v1/inventory/transfers/{transfer_id}/cancel")
async def _(company: Company) -> Call:
    return Call({"transfer_id": (await company.transfer())["id"]}, {"note": "no salió"})


@case(
    "POST",
    "/v1/inventory/counts",
    references={"/warehouseId": "warehouse", "/productIds/0": "product"},
    named={"/categoryId": "category"},
)
async def _(company: Company) -> Call:
    product = await company.product()
    return Call(body={"warehouseId": company.ids["warehouse"], "productIds": [product["id"]], "note": "fin de mes"})


@case("POST", "/v1/inventory/counts/{count_id}/entries", references={"/lines/0/productId": "product"})
async def _(company: Company) -> Call:
    count = await company.count()
    return Call(
        {"count_id": count["id"]},
        {"lines": [{"productId": count["productId"], "quantity": "3", "mode": "set"}], "device": "Tableta 1"},
    )


@case("POST", "/v1/inventory/counts/{count_id}/recount", references={"/productIds/0": "product"})
async def _(company: Company) -> Call:
    count = await company.count()
    return Call({"count_id": count["id"]}, {"productIds": [count["productId"]]})


@case("POST", "/v1/inventory/counts/{count_id}/close")
async def _(company: Company) -> Call:
    return Call({"count_id": (await company.count())["id"]}, {"uncounted": "keep", "note": "revisado"})


@case("POST", "/v1/inventory/counts/{count_id}/cancel")
async def _(company: Company) -> Call:
    return Call({"count_id": (await company.count())["id"]})


@case("POST", "/v1/customers")
async def _(_company: Company) -> Call:
    number = str(10_000_000 + uuid4().int % 80_000_000)
    return Call(
        body={
            "identificationType": "13",
            "identification": number,
            "name": "Ana Gómez",
            "email": "ana@correo.co",
            "phone": "601 555 1234",
            "municipalityCode": "11001",
        }
    )


@case("PATCH", "/v1/customers/{customer_id}")
async def _(company: Company) -> Call:
    return Call({"customer_id": (await company.customer())["id"]}, {"name": "Otro nombre", "email": "ana@correo.co"})


@case("DELETE", "/v1/customers/{customer_id}")
async def _(company: Company) -> Call:
    return Call({"customer_id": (await company.customer())["id"]})


@case("POST", "/v1/customers/{customer_id}/merge", references={"/into": "customer"})
async def _(company: Company) -> Call:
    one, other = await company.customer(), await company.customer()
    return Call({"customer_id": one["id"]}, {"into": other["id"]})


@case("POST", "/v1/cash/sessions", references={"/registerId": "register"})
async def _(company: Company) -> Call:
    return Call(body={"registerId": await company.register(), "openingAmount": "50000.00"})


@case("POST", "/v1/cash/sessions/{session_id}/close", named={"/approvalId": "approval"})
async def _(company: Company) -> Call:
    return Call(
        {"session_id": await company.session()},
        {
            "counted": [{"method": "cash", "amount": "500000.00"}],
            "denominations": [{"value": 50_000, "count": 10}],
        },
    )


@case("POST", "/v1/cash/sessions/{session_id}/movements")
async def _(company: Company) -> Call:
    return Call(
        {"session_id": company.ids["session"]},
        {"kind": "in", "amount": "1000.00", "reason": "sencillo", "category": "change"},
    )


@case("POST", "/v1/cash/transfers", references={"/fromSessionId": "session", "/toSessionId": "session"})
async def _(company: Company) -> Call:
    return Call(
        body={
            "fromSessionId": company.ids["session"],
            "toSessionId": company.ids["other_session"],
            "amount": "100.00",
            "reason": "sencillo",
        }
    )


@case("POST", "/v1/imports/products")
async def _(_company: Company) -> Call:
    return Call(content=IMPORT.format(sku=uuid4().hex[:10]).encode())


@case("POST", "/v1/imports/{import_id}/undo")
async def _(company: Company) -> Call:
    return Call({"import_id": await company.imported()})


@case("PATCH", "/v1/members/{user_id}", references={"/branchIds/0": "branch"})
async def _(company: Company) -> Call:
    person = await company.member()
    return Call(
        {"user_id": person.id},
        {"role": "seller", "displayName": "Otro nombre", "active": True, "branchIds": [company.ids["branch"]]},
    )


@case("POST", "/v1/members/{user_id}/require-password-change")
async def _(company: Company) -> Call:
    return Call({"user_id": (await company.member()).id})


@case("POST", "/v1/roles")
async def _(_company: Company) -> Call:
    return Call(body={"code": f"rol-{uuid4().hex[:8]}", "name": "Jefe de caja", "permissions": ["sales:read"]})


@case("PATCH", "/v1/roles/{role_id}")
async def _(company: Company) -> Call:
    role = await company.role()
    return Call({"role_id": role["id"]}, {"name": "Otro nombre", "permissions": ["sales:read", "products:read"]})


@case("DELETE", "/v1/roles/{role_id}")
async def _(company: Company) -> Call:
    return Call({"role_id": (await company.role())["id"]})


@case("POST", "/v1/invitations")
async def _(_company: Company) -> Call:
    return Call(body={"email": f"{uuid4().hex}@correo.co", "name": "Ana Gómez", "role": "cashier"})


@case("POST", "/v1/invitations/{invitation_id}/resend")
async def _(company: Company) -> Call:
    return Call({"invitation_id": (await company.invitation())["id"]})


@case("DELETE", "/v1/invitations/{invitation_id}")
async def _(company: Company) -> Call:
    return Call({"invitation_id": (await company.invitation())["id"]})


@case("PUT", "/v1/me/pin")
async def _(company: Company) -> Call:
    return Call(body={"password": company.shop.password, "pin": PIN})


@case("POST", "/v1/auth/operator", named={"/userId": "operator"})
async def _(company: Company) -> Call:
    return Call(body={"userId": company.ids["operator"], "pin": PIN})


@case(
    "POST",
    "/v1/approvals",
    references={"/requestedBy": "user"},
    named={
        "/approverId": "operator",
        "/subject/saleId": "sale",
        "/subject/sessionId": "session",
        "/subject/productIds/0": "product",
    },
)
async def _(company: Company) -> Call:
    return Call(body={"kind": "void", "subject": {"saleId": company.ids["sale"]}, "requestedBy": company.ids["member"]})


@case("POST", "/v1/api-keys")
async def _(_company: Company) -> Call:
    return Call(body={"name": "Tienda en línea", "scopes": ["sales:read"], "expiresAt": "2099-01-01T00:00:00Z"})


@case("DELETE", "/v1/api-keys/{key_id}")
async def _(company: Company) -> Call:
    return Call({"key_id": (await company.key())["id"]})


@case("POST", "/v1/privacy/consents", references={"/customerId": "customer", "/userId": "user"})
async def _(company: Company) -> Call:
    return Call(
        body={
            "customerId": company.ids["customer"],
            "purpose": "marketing",
            "version": "2026-11",
            "channel": "in-person",
            "decision": "granted",
        }
    )


@case("POST", "/v1/privacy/customers/{customer_id}/anonymise")
async def _(company: Company) -> Call:
    return Call({"customer_id": (await company.customer())["id"]}, {"reason": "request"})


@case("POST", "/v1/privacy/members/{user_id}/anonymise")
async def _(company: Company) -> Call:
    return Call({"user_id": (await company.member()).id}, {"reason": "request"})


@case("PUT", "/v1/dian/settings")
async def _(company: Company) -> Call:
    return Call(
        body={
            "environment": "habilitation",
            "isEnabled": True,
            "softwareId": company.ids["software"],
            "softwarePin": "12345",
            "saleDocument": "auto",
            "softwareName": "Mostrador",
            "providerNit": "",
            "maker": "Mostrador S.A.S.",
            "makerPerson": "Persona De Ejemplo",
            "contingencyAfter": 30,
        }
    )


@case("PUT", "/v1/dian/certificate")
async def _(company: Company) -> Call:
    return Call(body=company.certificate())


@case("POST", "/v1/dian/ranges", references={"/branchId": "branch", "/registerId": "register"})
async def _(company: Company) -> Call:
    return Call(
        body={
            "kind": "01",
            "prefix": f"F{uuid4().hex[:3].upper()}",
            "authorization": "18760000001",
            "authorizedOn": "2025-12-01",
            "first": 1,
            "last": 5000,
            "next": 10,
            "validFrom": "2026-01-01",
            "validTo": "2027-12-31",
            "technicalKey": "fc8eac422eba16e22ffd8c6f94b3f40a6e38162c",
            "branchId": company.ids["branch"],
            "registerId": company.ids["register"],
        }
    )


@case("PATCH", "/v1/dian/ranges/{range_id}", references={"/branchId": "branch", "/registerId": "register"})
async def _(company: Company) -> Call:
    return Call(
        {"range_id": await company.range_of_paper()},
        {"branchId": company.ids["branch"], "registerId": company.ids["register"], "isOpen": True},
    )


@case("POST", "/v1/dian/ranges/import")
async def _(_company: Company) -> Call:
    return Call(body={"kinds": [{"prefix": "EPOS", "kind": "20"}]})


@case("POST", "/v1/dian/contingencies")
async def _(_company: Company) -> Call:
    return Call(
        body={
            "reason": "La DIAN anunció una ventana de mantenimiento",
            "startedAt": _recent(hours=2),
            "endedAt": _recent(hours=1),
        }
    )


@case("POST", "/v1/dian/contingencies/{contingency_id}/end")
async def _(company: Company) -> Call:
    return Call({"contingency_id": await company.contingency()})


@case("POST", "/v1/dian/habilitation")
async def _(company: Company) -> Call:
    await company.end_test_sets()
    return Call(body={"family": "invoice", "testSetId": uuid4().hex, "invoices": 2, "creditNotes": 1, "debitNotes": 1})


@case("POST", "/v1/dian/documents", references={"/correctsId": "document", "/customerId": "customer"})
async def _(company: Company) -> Call:
    return Call(
        body={
            "kind": "93",
            "correctsId": company.ids["document"],
            "customerId": company.ids["customer"],
            "concept": "3",
            "reason": "faltó cobrar el domicilio",
            "method": "cash",
            "notes": ["Según lo acordado"],
            "lines": [
                {
                    "code": "DOM",
                    "description": "Domicilio",
                    "quantity": "1",
                    "unitPrice": "5000.00",
                    "unitCode": "94",
                    "discount": "500.00",
                    "taxClass": "iva19",
                }
            ],
        }
    )


@case("POST", "/v1/dian/documents/{document_id}/resend")
async def _(company: Company) -> Call:
    return Call({"document_id": company.ids["document"]})


plain("GET", "/v1/backups")
plain("GET", "/v1/backups/{backup_id}")
plain("GET", "/v1/backups/{backup_id}/download")
plain("POST", "/v1/backups/{backup_id}/link")
plain("POST", "/v1/backups/{backup_id}/verify")
plain("GET", "/v1/backups/restores")
plain("GET", "/v1/backups/restores/{restore_id}")


@case("POST", "/v1/backups")
async def _(company: Company) -> Call:
    await company.rest()
    return Call(body={"kind": "backup"})


@case("POST", "/v1/backups/{backup_id}/restore")
async def _(company: Company) -> Call:
    await company.rest()
    return Call({"backup_id": company.ids["backup"]}, {"into": "new", "dryRun": True})


@case("POST", "/v1/dian/documents/{document_id}/withdraw")
async def _(company: Company) -> Call:
    return Call({"document_id": await company.rejected()}, {"reason": "Se anuló la venta"})


plain("GET", "/v1/support-tickets")
plain("GET", "/v1/support-tickets/{ticket_id}")
plain("GET", "/v1/billing/plans")
plain("GET", "/v1/billing/subscription")
plain("GET", "/v1/billing/invoices")
_BIGGEST = {"plan": "enterprise", "interval": "month"}
_YEARLY = {"plan": "enterprise", "interval": "year"}


@case("POST", "/v1/billing/checkout-session")
async def _(company: Company) -> Call:
    await company.unsubscribe()
    return Call(body=dict(_BIGGEST))


@case("POST", "/v1/billing/portal-session")
async def _(company: Company) -> Call:
    await company.subscribe()
    return Call()


@case("POST", "/v1/billing/plan-change/preview")
async def _(company: Company) -> Call:
    await company.subscribe()
    return Call(body=dict(_YEARLY))


@case("POST", "/v1/billing/plan-change")
async def _(company: Company) -> Call:
    await company.subscribe()
    return Call(body=dict(_YEARLY))


@case("DELETE", "/v1/billing/plan-change")
async def _(company: Company) -> Call:
    await company.subscribe()
    await company.made("/v1/billing/plan-change", dict(_YEARLY))
    return Call()


@case("POST", "/v1/billing/cancel")
async def _(company: Company) -> Call:
    await company.subscribe()
    return Call(body={"reason": "other", "comment": "prueba"})


@case("POST", "/v1/billing/resume")
async def _(company: Company) -> Call:
    await company.subscribe()
    return Call()


@case("PUT", "/v1/dian/delivery-settings")
async def _(company: Company) -> Call:
    return Call(body={"mails": "invoices", "attachPdf": True, "lineOfBusiness": "Bogotá norte"})


@case("POST", "/v1/dian/documents/{document_id}/deliver")
async def _(company: Company) -> Call:
    return Call({"document_id": company.ids["accepted"]}, {"to": f"{uuid4().hex}@cliente.test"})


@case("POST", "/v1/webhooks/endpoints")
async def _(company: Company) -> Call:
    await company.drop_endpoints()
    return Call(body={"url": "https://sistema.example.com/avisos", "events": ["sale.posted"], "description": "ERP"})


@case("PATCH", "/v1/webhooks/endpoints/{endpoint_id}")
async def _(company: Company) -> Call:
    return Call(
        {"endpoint_id": company.ids["endpoint"]},
        {"url": "https://otro.example.com/", "events": ["*"], "description": "Otro", "isActive": True},
    )


@case("DELETE", "/v1/webhooks/endpoints/{endpoint_id}")
async def _(company: Company) -> Call:
    await company.drop_endpoints()
    return Call({"endpoint_id": (await company.endpoint())["id"]})


@case("POST", "/v1/webhooks/endpoints/{endpoint_id}/rotate-secret")
async def _(company: Company) -> Call:
    return Call({"endpoint_id": company.ids["endpoint"]}, {"overlapHours": 24})


@case("POST", "/v1/webhooks/endpoints/{endpoint_id}/test")
async def _(company: Company) -> Call:
    return Call({"endpoint_id": company.ids["endpoint"]})


@case("POST", "/v1/webhooks/endpoints/{endpoint_id}/replay")
async def _(company: Company) -> Call:
    return Call(
        {"endpoint_id": company.ids["endpoint"]},
        {"from": _recent(hours=2), "to": _recent(hours=1), "deliveredToo": True},
    )


@case("POST", "/v1/webhooks/deliveries/{delivery_id}/replay")
async def _(company: Company) -> Call:
    return Call({"delivery_id": company.ids["delivery"]})


@case("POST", "/v1/products/{product_id}/photos")
async def _(company: Company) -> Call:
    product = await company.shop.product(stock=None)
    return Call({"product_id": product["id"]}, content=picture(), content_type="image/png")


@case("DELETE", "/v1/photos/{photo_id}")
async def _(company: Company) -> Call:
    product = await company.shop.product(stock=None)
    return Call({"photo_id": await company.photo(product["id"])})


@case("GET", "/v1/me/photo")
async def _(company: Company) -> Call:
    await company.own_photo()
    return Call()


@case("PUT", "/v1/me/photo")
async def _(_company: Company) -> Call:
    return Call(content=picture(), content_type="image/png")


@case("DELETE", "/v1/me/photo")
async def _(company: Company) -> Call:
    await company.own_photo()
    return Call()


@case("GET", "/v1/members/{user_id}/photo")
async def _(company: Company) -> Call:
    await company.own_photo()
    return Call({"user_id": company.ids["user"]})


OF_REPORTS = {
    "branchId": "branch",
    "registerId": "register",
    "sellerId": "user",
    "categoryId": "category",
    "customerId": "customer",
    "productId": "product",
}
for _path in ("sales", "sales/documents", "top-products", "taxes", "customers/rfm", "customers/clusters"):
    plain("GET", f"/v1/reports/{_path}", **OF_REPORTS)
for _path in ("tax-documents", "exceptions"):
    plain(
        "GET",
        f"/v1/reports/{_path}",
        branchId="branch",
        registerId="register",
        sellerId="user",
        customerId="customer",
    )
plain("GET", "/v1/reports/cash", branchId="branch", registerId="register")
plain("GET", "/v1/reports/dian", branchId="branch")
for _path in ("inventory", "rotation", "abc", "dead-stock", "stockouts", "forecast"):
    plain("GET", f"/v1/reports/{_path}", branchId="branch", categoryId="category", productId="product")
plain("GET", "/v1/reports/products/{product_id}/kardex", branchId="branch")
plain("GET", "/v1/reports/accounting", branchId="branch")
plain("GET", "/v1/reports/accounts")
plain("GET", "/v1/reports/schedules")


@case("PUT", "/v1/reports/accounts")
async def _(_company: Company) -> Call:
    return Call(body={"items": [{"concept": "sales-taxed", "account": "413536"}]})


@case("POST", "/v1/reports/schedules", references={"/branchId": "branch"})
async def _(company: Company) -> Call:
    await company.drop_schedules()
    return Call(body={"kind": "daily", "recipients": ["duena@tienda.test"], "branchId": company.ids["branch"]})


@case("PATCH", "/v1/reports/schedules/{schedule_id}")
async def _(company: Company) -> Call:
    return Call({"schedule_id": await company.schedule()}, {"recipients": ["otra@tienda.test"], "isActive": True})


@case("DELETE", "/v1/reports/schedules/{schedule_id}")
async def _(company: Company) -> Call:
    return Call({"schedule_id": await company.schedule()})


plain("GET", "/v1/reports/dashboard")
plain("GET", "/v1/reports/summary")
plain("GET", "/v1/reports/live")
plain("GET", "/v1/reports/indicators")
plain("GET", "/v1/reports/exports")


@case("POST", "/v1/reports/indicators/hide", references={"/productId": "product"})
async def _(company: Company) -> Call:
    return Call(body={"code": "reorder", "productId": company.ids["product"], "until": "2100-01-01"})


@case("POST", "/v1/reports/indicators/show", references={"/productId": "product"})
async def _(company: Company) -> Call:
    return Call(body={"code": "reorder", "productId": company.ids["product"]})


@case(
    "POST",
    "/v1/reports/exports",
    references={
        "/branchId": "branch",
        "/registerId": "register",
        "/sellerId": "user",
        "/categoryId": "category",
        "/customerId": "customer",
        "/productId": "product",
    },
)
async def _(company: Company) -> Call:
    await company.end_exports()
    return Call(body={"report": "lines", "format": "csv", "from": "2026-01-01", "to": "2026-01-31"})


@case("GET", "/v1/reports/exports/{export_id}")
async def _(company: Company) -> Call:
    return Call({"export_id": await company.export()})


@case("DELETE", "/v1/reports/exports/{export_id}")
async def _(company: Company) -> Call:
    return Call({"export_id": await company.export()})


@case("GET", "/v1/alerts/rules/{kind}")
async def _(_company: Company) -> Call:
    return Call({"kind": "stock-out"})


@case("PATCH", "/v1/alerts/rules/{kind}")
async def _(_company: Company) -> Call:
    return Call({"kind": "stock-out"}, {"isOn": True, "severity": "critical", "thresholds": {"products": 3}})


@case("PUT", "/v1/alerts/settings")
async def _(_company: Company) -> Call:
    return Call(body={"quietFrom": "21:00", "quietTo": "06:00"})


@case("PUT", "/v1/alerts/preferences")
async def _(_company: Company) -> Call:
    return Call(body={"mails": "daily", "severity": "info", "digestAt": "07:30", "muted": ["stock-low"]})


@case("POST", "/v1/alerts/{alert_id}/acknowledge")
async def _(company: Company) -> Call:
    return Call({"alert_id": company.ids["alert"]}, {"note": "la miro"})


@case("POST", "/v1/support-tickets")
async def _(company: Company) -> Call:
    await company.close_tickets()
    return Call(body={"subject": "La caja no abre", "category": "technical", "body": "Desde hoy.", "id": str(uuid4())})


@case("POST", "/v1/support-tickets/{ticket_id}/messages")
async def _(company: Company) -> Call:
    ticket = await company.ticket()
    return Call({"ticket_id": ticket["id"]}, {"body": "Ya abre.\nGracias.", "id": str(uuid4())})


@case("POST", "/v1/support-tickets/{ticket_id}/close")
async def _(company: Company) -> Call:
    return Call({"ticket_id": (await company.ticket())["id"]})


@case("POST", "/v1/demo")
async def _(_company: Company) -> Call:
    return Call()


@case("GET", "/v1/demo")
async def _(company: Company) -> Call:
    answer = await company.shop.post("/v1/demo")
    assert answer.status_code == 202, answer.text
    return Call()


plain("DELETE", "/v1/demo")
