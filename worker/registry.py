"""Every domain's jobs: importing this module declares them."""

from app.domain.accounts import jobs as accounts
from app.domain.audit import jobs as audit
from app.domain.invoicing import jobs as invoicing
from app.domain.members import jobs as members
from app.domain.provider import jobs as provider
from app.domain.sample import jobs as sample
from app.domain.tenants import jobs as tenants
from app.domain.webhooks import jobs as webhooks

MODULES = (accounts, audit, invoicing, members, provider, sample, tenants, webhooks)
