"""Periodic jobs on robots."""

from __future__ import annotations

from procrastinate.contrib.django import app

from apps.robots.services.status import robots_mark_offline
from urfmp.common.tenancy.context import tenant_transaction
from urfmp.common.tenancy.organizations import organization_ids


@app.periodic(cron="* * * * * */5")
@app.task(name="robots.mark_offline", queueing_lock="robots.mark_offline", pass_context=False)
def mark_offline(timestamp: int) -> int:
    """Mark robots without recent messages as offline, every five seconds."""
    marked = 0
    for organization_id in organization_ids():
        with tenant_transaction(organization_id):
            marked += robots_mark_offline()
    return marked
