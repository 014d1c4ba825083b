"""Commands that are due for their hand-over."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from apps.robots.models import RobotCommand
from urfmp.common.tenancy.context import tenant_transaction


def robots_with_due_commands(
    organization_id: UUID, robot_ids: Collection[UUID] | None = None
) -> list[UUID]:
    """Return robots that have a command to fetch.

    Args:
        organization_id: Organization of the robots.
        robot_ids: Robots to look at; None for all of the organization.
    """
    with tenant_transaction(organization_id):
        rows = RobotCommand.objects.due()
        if robot_ids is not None:
            rows = rows.filter(robot_id__in=robot_ids)
        return list(rows.order_by().values_list("robot_id", flat=True).distinct())
