from __future__ import annotations

from typing import Any, Self

from urfmp.common.tenancy.querysets import OrganizationScopedQuerySet, RobotScopedQuerySet


class RobotQuerySet(OrganizationScopedQuerySet):
    """Robots of one organization; a device key sees its own."""

    robot_lookup = "id"

    def in_service(self) -> Self:
        """Leave out the retired ones."""
        return self.filter(is_active=True)


class RobotCommandQuerySet(RobotScopedQuerySet):
    """Commands of one organization's robots."""


class HypertableQuerySet(RobotScopedQuerySet):
    """Rows of a hypertable, which has no row-level security of its own.

    The manager restricts them to robots that the open transaction may see, so that the policy
    on `robots` decides for them as well.
    """

    organization_lookup = "robot__organization_id"


def visible_robots(robots: Any) -> dict[str, Any]:
    """Return the filter that lets the policy on `robots` decide for rows of a hypertable."""
    return {"robot_id__in": robots.values("id")}
