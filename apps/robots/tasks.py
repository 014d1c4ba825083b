"""Periodic jobs on robots."""

from __future__ import annotations

from uuid import UUID

from procrastinate.contrib.django import app

from apps.robots.services.commands.expiry import commands_expire, commands_mark_unknown
from apps.robots.services.presence import robots_update_presence
from urfmp.common.tenancy.context import tenant_transaction
from urfmp.common.tenancy.organizations import organization_ids


@app.periodic(cron="* * * * * */5")
@app.task(name="robots.mark_offline", queueing_lock="robots.mark_offline", pass_context=False)
def mark_offline(timestamp: int) -> int:
    """Mark silent robots as offline, every five seconds."""
    return sum(map(_update_presence, organization_ids()))


def _update_presence(organization_id: UUID) -> int:
    """Update all robots of an organization, some in each transaction."""
    total, changed = 0, None
    while changed != 0:
        with tenant_transaction(organization_id):
            changed = robots_update_presence()
        total += changed
    return total


@app.periodic(cron="* * * * * */5")
@app.task(name="robots.end_commands", queueing_lock="robots.end_commands", pass_context=False)
def end_commands(timestamp: int) -> int:
    """End commands without hand-over or answer, every five seconds."""
    ended = 0
    for organization_id in organization_ids():
        # Two transactions: a command whose alert cannot be written does not keep others alive.
        with tenant_transaction(organization_id):
            ended += commands_expire()
        with tenant_transaction(organization_id):
            ended += commands_mark_unknown()
    return ended
