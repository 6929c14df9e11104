"""The API application: the only module that knows every domain."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from litestar import Litestar, Router
from litestar.config.cors import CORSConfig
from litestar.di import Provide
from litestar.types import ASGIApp, ControllerRouterHandler
from redis.asyncio import Redis

from app import __version__
from app.db.desk import StaffGate
from app.db.lane import Lane
from app.db.quick import Quick
from app.db.roles import plain_role
from app.db.session import Database
from app.db.unit_of_work import Replay, RequestGate, UnitOfWork, provide_work, send_again
from app.domain.accounts.controller import AuthController
from app.domain.accounts.me_controller import MeController
from app.domain.alerts.company.controller import CompanyAlertController
from app.domain.alerts.provider_controller import ProviderAlertController, ProviderJobController
from app.domain.audit.controller import AuditController
from app.domain.audit.reconciliation_controller import ReconciliationController
from app.domain.backups.controller import BackupController, download_export
from app.domain.backups.provider_controller import ProviderBackupController
from app.domain.billing.controller import BillingController
from app.domain.billing.provider_controller import ProviderBillingController
from app.domain.billing.webhook import StripeWebhookController
from app.domain.cash.controller import CashController
from app.domain.catalog.controller import ProductController
from app.domain.catalog.tree_controller import CatalogController, CategoryController
from app.domain.customers.controller import CustomerController
from app.domain.imports.controller import ImportController
from app.domain.inventory.controller import AdjustmentController, ConflictController, StockController
from app.domain.inventory.count_controller import CountController
from app.domain.inventory.transfer_controller import TransferController
from app.domain.invoicing.controller import DianController, DocumentController
from app.domain.invoicing.delivery_controller import DeliveryController
from app.domain.invoicing.vault import Vault
from app.domain.members.controller import (
    AcceptanceController,
    InvitationController,
    MemberController,
    RoleController,
)
from app.domain.members.till_controller import ApprovalController, KeyController, OperatorController, PinController
from app.domain.photos.controller import PhotoController, read_photo
from app.domain.privacy.controller import PrivacyController
from app.domain.provider.company_controller import ProviderCompanyController
from app.domain.provider.controller import HealthController, get_metrics
from app.domain.provider.health import Health
from app.domain.provider.measures import Measures
from app.domain.provider.oversight_controller import ProviderOversightController
from app.domain.provider.staff_controller import StaffAuthController, StaffController, StaffMeController
from app.domain.reports.controller import ReportController
from app.domain.reports.goods_controller import GoodsReportController
from app.domain.reports.office_controller import OfficeController
from app.domain.reports.panel_controller import PanelController, PublicExportController
from app.domain.sales.controller import HeldTicketController, ReturnController, SaleController
from app.domain.sales.door import SaleDoor
from app.domain.sales.post import SalePoster
from app.domain.sample.controller import SampleController
from app.domain.standing.controller import StandingController
from app.domain.support.controller import SupportAccessController
from app.domain.support.staff_controller import ProviderSupportController
from app.domain.tenants.controller import CodeListController, CompanyController
from app.domain.tenants.place_controller import BranchController, RegisterController, WarehouseController
from app.domain.tickets.controller import TicketController
from app.domain.tickets.provider_controller import ProviderTicketController
from app.domain.webhooks.controller import WebhookController
from app.lib.access import check_routes
from app.lib.clock import follow_clock_file
from app.lib.edge import Application, Edge
from app.lib.jobs import Bell
from app.lib.log import set_up_logging
from app.lib.logins import LoginLimits
from app.lib.money import Exact
from app.lib.openapi import openapi_config
from app.lib.problem import HANDLERS
from app.lib.ratelimit import RateLimits
from app.lib.redis import connect_redis
from app.lib.schemas import decode_special
from app.lib.tokens import AccessTokens
from app.lib.tracing import set_up_tracing, stop_tracing
from app.settings import Settings, read_settings

BUSINESS: Sequence[ControllerRouterHandler] = (
    AuthController,
    MeController,
    AcceptanceController,
    OperatorController,
    PinController,
    CompanyController,
    StandingController,
    CodeListController,
    BranchController,
    WarehouseController,
    MemberController,
    RoleController,
    InvitationController,
    ApprovalController,
    KeyController,
    ProductController,
    CategoryController,
    CatalogController,
    SaleController,
    ReturnController,
    HeldTicketController,
    AdjustmentController,
    StockController,
    ConflictController,
    TransferController,
    CountController,
    CustomerController,
    CashController,
    RegisterController,
    ImportController,
    DianController,
    DocumentController,
    DeliveryController,
    AuditController,
    ReconciliationController,
    PrivacyController,
    BillingController,
    ProviderBillingController,
    BackupController,
    download_export,
    ProviderBackupController,
    TicketController,
    ProviderTicketController,
    ProviderOversightController,
    SupportAccessController,
    StaffAuthController,
    StaffMeController,
    StaffController,
    ProviderCompanyController,
    ProviderSupportController,
    WebhookController,
    PhotoController,
    read_photo,
    ProviderAlertController,
    ProviderJobController,
    ReportController,
    GoodsReportController,
    PanelController,
    OfficeController,
    PublicExportController,
    CompanyAlertController,
    SampleController,
)
"""Controllers of all domains, in the order of the OpenAPI document."""


def create_litestar(settings: Settings, extra_routes: Sequence[ControllerRouterHandler] = ()) -> Litestar:
    """Build the framework's application; nothing connects before its lifespan begins."""
    redis = connect_redis(settings)
    database = Database(settings, Bell(redis))
    lane = Lane(settings)
    quick = Quick(settings)
    tokens = AccessTokens(settings.signing_key)
    limits = RateLimits(redis, settings)
    health = Health(settings, database, redis)
    vault = Vault(settings)

    @asynccontextmanager
    async def connections(_app: Litestar) -> AsyncIterator[None]:
        try:
            async with plain_role(settings):
                yield
        finally:
            health.begin_shutdown()
            health.close()
            await lane.close()
            await quick.close()
            await database.close()
            await _close(redis)
            stop_tracing()

    business = Router(
        "/v1",
        route_handlers=BUSINESS,
        middleware=[UnitOfWork()],
        dependencies={"work": Provide(provide_work)},
    )
    app = Litestar(
        [business, StripeWebhookController, HealthController, get_metrics, *extra_routes],
        lifespan=[connections],
        exception_handlers={**HANDLERS, Replay: send_again},
        type_decoders=[(_is_exact, decode_special)],
        type_encoders={Exact: str},
        openapi_config=openapi_config(settings),
        cors_config=_cors(settings),
        logging_config=None,
        request_max_body_size=None,
    )
    app.state.update(
        {
            "settings": settings,
            "database": database,
            "health": health,
            "measures": Measures(database),
            "lane": lane,
            "quick": quick,
            "poster": SalePoster(lane, database.audit_keys, vault, database.bell),
            "vault": vault,
            "redis": redis,
            "tokens": tokens,
            "limits": limits,
            "logins": LoginLimits(limits.gcra, redis),
            "gate": RequestGate(database, tokens, limits),
            "staff_gate": StaffGate(database, tokens, limits),
        }
    )
    check_routes(app.routes)
    return app


def create_app(settings: Settings, extra_routes: Sequence[ControllerRouterHandler] = ()) -> ASGIApp:
    """The whole API as granian serves it."""
    return dressed(create_litestar(settings, extra_routes), settings)


def dressed(app: Litestar, settings: Settings) -> ASGIApp:
    """The framework's application with what stands in front of it: the edge, then the counter's door."""
    door = SaleDoor(cast("Application", app), app.state.gate, app.state.poster, app.cors_config)
    return cast("ASGIApp", Edge(door, settings.trusted_proxies))


def from_environment() -> ASGIApp:
    """Factory for the server process."""
    set_up_logging("api")
    settings = read_settings(os.environ)
    set_up_tracing("api", settings.otel_endpoint, settings.release or __version__)
    follow_clock_file(settings.clock_file)
    return create_app(settings)


def _is_exact(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Exact)


def _cors(settings: Settings) -> CORSConfig | None:
    if not settings.cors_origins:
        return None
    return CORSConfig(
        allow_origins=list(settings.cors_origins),
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match"],
        expose_headers=["ETag", "X-Request-Id", "Idempotency-Replayed", "Retry-After"],
        max_age=600,
    )


async def _close(redis: Redis) -> None:
    await redis.aclose()
