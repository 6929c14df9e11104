"""All models, for Alembic and for the catalogue tests: importing this module fills the metadata."""

from app.db import platform
from app.db.base import DefaultBase
from app.domain.accounts import models as accounts
from app.domain.alerts import models as alerts
from app.domain.alerts.company import models as company_alerts
from app.domain.audit import models as audit
from app.domain.backups import models as backups
from app.domain.billing import models as billing
from app.domain.cash import models as cash
from app.domain.catalog import models as catalog
from app.domain.customers import models as customers
from app.domain.imports import models as imports
from app.domain.inventory import daily_models as daily_stock
from app.domain.inventory import models as inventory
from app.domain.invoicing import delivery_models as delivery
from app.domain.invoicing import models as invoicing
from app.domain.invoicing import upkeep_models as invoicing_upkeep
from app.domain.members import models as members
from app.domain.photos import models as photos
from app.domain.privacy import models as privacy
from app.domain.provider import models as provider
from app.domain.reports import models as reports
from app.domain.sales import models as sales
from app.domain.sample import models as sample
from app.domain.support import models as support
from app.domain.tenants import models as tenants
from app.domain.tickets import models as tickets
from app.domain.webhooks import models as webhooks

MODULES = (
    platform,
    tenants,
    accounts,
    members,
    catalog,
    inventory,
    customers,
    cash,
    sales,
    imports,
    audit,
    privacy,
    invoicing,
    backups,
    invoicing_upkeep,
    billing,
    tickets,
    delivery,
    provider,
    support,
    webhooks,
    photos,
    alerts,
    reports,
    company_alerts,
    daily_stock,
    sample,
)
METADATA = DefaultBase.metadata
