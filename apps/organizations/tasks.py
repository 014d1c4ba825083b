"""Periodic work on every organization."""

from __future__ import annotations

from procrastinate.contrib.django import app

from apps.accounts.services.idempotency import clean_up_idempotency_keys
from apps.accounts.services.invitations import clean_up_invitations
from apps.accounts.services.one_time_links import clean_up_links
from apps.accounts.services.sessions import clean_up_sessions
from apps.audit.services.audit_logs import audit_clean_up
from apps.organizations.selectors import organization_ids
from urfmp.common.redis.rate_limit import forget_old_windows
from urfmp.common.tenancy.context import tenant_transaction


@app.periodic(cron="41 3 * * *")
@app.task(name="organizations.clean_up", queueing_lock="organizations.clean_up")
def clean_up(timestamp: int) -> None:
    """Every night: forget old sessions, links, kept answers, audit rows and counters."""
    for organization_id in organization_ids():
        with tenant_transaction(organization_id):
            clean_up_sessions()
            clean_up_idempotency_keys()
            clean_up_links()
            clean_up_invitations()
    audit_clean_up()
    forget_old_windows()
