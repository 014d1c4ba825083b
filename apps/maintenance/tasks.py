"""Periodic work on maintenance."""

from __future__ import annotations

from procrastinate.contrib.django import app

from apps.maintenance.services import tasks_mark_overdue
from apps.organizations.selectors import organization_ids
from urfmp.common.tenancy.context import tenant_transaction


@app.periodic(cron="* * * * *")
@app.task(name="maintenance.mark_overdue", queueing_lock="maintenance.mark_overdue")
def mark_overdue(timestamp: int) -> None:
    """Every minute: show tasks as overdue that nobody started in time."""
    for organization_id in organization_ids():
        with tenant_transaction(organization_id):
            tasks_mark_overdue()
