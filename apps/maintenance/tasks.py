"""Periodic jobs on maintenance tasks and schedules."""

from __future__ import annotations

from django.utils import timezone
from procrastinate.contrib.django import app

from apps.maintenance.services.planner import MAX_STATES_PER_RUN, schedules_open_due_tasks
from apps.maintenance.services.tasks import tasks_mark_overdue
from urfmp.common.tenancy.context import tenant_transaction
from urfmp.common.tenancy.organizations import organization_ids

# For each organization and run.
_MAX_BATCHES = 20


@app.periodic(cron="* * * * *")
@app.task(name="maintenance.mark_overdue", queueing_lock="maintenance.mark_overdue")
def mark_overdue(timestamp: int) -> None:
    """Mark tasks past their due time as overdue, every minute."""
    for organization_id in organization_ids():
        with tenant_transaction(organization_id):
            tasks_mark_overdue()


@app.periodic(cron="* * * * *")
@app.task(name="maintenance.open_due_tasks", queueing_lock="maintenance.open_due_tasks")
def open_due_tasks(timestamp: int) -> None:
    """Open the tasks that fall due by schedules, every minute.

    Batches are transactions of their own. Those that do not fit into a run wait for the next one.
    """
    for organization_id in organization_ids():
        for _ in range(_MAX_BATCHES):
            with tenant_transaction(organization_id):
                evaluated, _opened = schedules_open_due_tasks(
                    organization_id=organization_id, now=timezone.now()
                )
            if evaluated < MAX_STATES_PER_RUN:
                break
