"""Every domain's jobs: importing this module declares them."""

from app.domain.accounts import jobs as accounts
from app.domain.alerts.company import jobs as alerts
from app.domain.audit import jobs as audit
from app.domain.backups import jobs as backups
from app.domain.billing import jobs as billing
from app.domain.invoicing import jobs as invoicing
from app.domain.members import jobs as members
from app.domain.provider import jobs as provider
from app.domain.reports import jobs as reports
from app.domain.sample import jobs as sample
from app.domain.tenants import jobs as tenants
from app.domain.tickets import jobs as tickets
from app.domain.webhooks import jobs as webhooks

MODULES = (
    accounts,
    alerts,
    audit,
    backups,
    billing,
    invoicing,
    members,
    provider,
    reports,
    sample,
    tenants,
    tickets,
    webhooks,
)
