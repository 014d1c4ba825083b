from __future__ import annotations

from typing import Any, Self

from django.db.models import Q
from django.db.models.functions import Now

from apps.robots.choices import CommandStatus
from urfmp.common.tenancy.querysets import OrganizationScopedQuerySet, RobotScopedQuerySet


class RobotQuerySet(OrganizationScopedQuerySet):
    """Robots of one organization; a robot's own key sees only that robot."""

    robot_lookup = "id"

    def in_service(self) -> Self:
        """Exclude retired robots."""
        return self.filter(is_active=True)


class RobotCommandQuerySet(RobotScopedQuerySet):
    """Commands of one organization's robots."""

    def due(self) -> Self:
        """Keep pending commands that may be handed over, by the database's clock."""
        return self.filter(
            Q(scheduled_at__isnull=True) | Q(scheduled_at__lte=Now()),
            status=CommandStatus.PENDING,
            expires_at__gt=Now(),
        )


class RobotStatusRepeatQuerySet(RobotScopedQuerySet):
    """Reports of one organization's robots that changed nothing."""


class RobotClaimCodeQuerySet(RobotScopedQuerySet):
    """Claim codes of one organization's robots."""


class RobotImportQuerySet(OrganizationScopedQuerySet):
    """Imports of one organization's robots."""


class RobotImportRowQuerySet(OrganizationScopedQuerySet):
    """Rows of one organization's imports of robots."""


class HypertableQuerySet(RobotScopedQuerySet):
    """Rows of a hypertable, which has no row-level security of its own.

    The manager restricts them to robots that are visible to the open transaction, so that the
    policy on `robots` applies to them as well.
    """

    def _of_organization(self, organization_id: Any) -> Self:
        """Return rows of an organization's robots.

        The robots are a subquery: with a join, PostgreSQL reads and sorts every row of the range.
        """
        robots = self.model._meta.get_field("robot").related_model._default_manager
        return self.filter(**visible_robots(robots.filter(organization_id=organization_id)))


def visible_robots(robots: Any) -> dict[str, Any]:
    """Return a filter that applies the policy on `robots` to hypertable rows."""
    return {"robot_id__in": robots.values("id")}
