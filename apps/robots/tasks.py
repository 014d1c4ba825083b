"""Periodic work on robots."""

from __future__ import annotations

from procrastinate.contrib.django import app

from apps.organizations.selectors import organization_ids
from apps.robots.services.status import robots_mark_silent
from urfmp.common.tenancy.context import tenant_transaction


@app.periodic(cron="* * * * * */5")
@app.task(name="robots.mark_silent", queueing_lock="robots.mark_silent", pass_context=False)
def mark_silent(timestamp: int) -> int:
    """Every five seconds: show robots as offline that are silent."""
    marked = 0
    for organization_id in organization_ids():
        with tenant_transaction(organization_id):
            marked += robots_mark_silent()
    return marked
