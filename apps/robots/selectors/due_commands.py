"""Commands that are due for their hand-over."""

from __future__ import annotations

from uuid import UUID

from apps.robots.models import RobotCommand
from urfmp.common.tenancy.context import tenant_transaction


def robots_with_due_commands(organization_id: UUID) -> list[UUID]:
    """Return an organization's robots that have a command to fetch."""
    with tenant_transaction(organization_id):
        rows = RobotCommand.objects.due()
        return list(rows.order_by().values_list("robot_id", flat=True).distinct())
