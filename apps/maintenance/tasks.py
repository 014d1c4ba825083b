"""Periodic jobs on maintenance tasks."""

from __future__ import annotations

from procrastinate.contrib.django import app

from apps.maintenance.services.tasks import tasks_mark_overdue
from urfmp.common.tenancy.context import tenant_transaction
from urfmp.common.tenancy.organizations import organization_ids


@app.periodic(cron="* * * * *")
@app.task(name="maintenance.mark_overdue", queueing_lock="maintenance.mark_overdue")
def mark_overdue(timestamp: int) -> None:
    """Mark tasks past their due time as overdue, every minute."""
    for organization_id in organization_ids():
        with tenant_transaction(organization_id):
            tasks_mark_overdue()
