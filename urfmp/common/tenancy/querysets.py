"""Visibility of rows, which `restrict` alone decides."""

from __future__ import annotations

from typing import Any, Self

from django.db.models import QuerySet


class OrganizationScopedQuerySet(QuerySet[Any]):
    """Rows of a tenant-owned table.

    Attributes:
        organization_lookup: Lookup of a row's organization.
        robot_lookup: Lookup of a row's robot, for API keys bound to one. None where rows have
            none; such a key then sees no rows.
    """

    organization_lookup = "organization_id"
    robot_lookup: str | None = None

    def restrict(self, principal: Any, action: str = "view") -> Self:
        """Return the rows that the principal may access; none without the permission.

        Args:
            principal: `request.user`: a user, an API key or an anonymous user.
            action: Django's verb (view, add, change, delete) or one of the model's own.
        """
        opts = self.model._meta
        if not (principal.is_authenticated and principal.is_active):
            return self.none()
        if not principal.has_perm(f"{opts.app_label}.{action}_{opts.model_name}"):
            return self.none()
        rows = self._of_organization(principal.organization_id)
        if (robot_id := getattr(principal, "robot_id", None)) is not None:
            return (
                rows.filter(**{self.robot_lookup: robot_id}) if self.robot_lookup else rows.none()
            )
        return rows

    def _of_organization(self, organization_id: Any) -> Self:
        return self.filter(**{self.organization_lookup: organization_id})

    def unscoped(self, reason: str) -> Self:
        """Return all rows that the open transaction sees.

        Args:
            reason: Why no visibility applies here; for readers of the code.
        """
        if not reason:
            msg = "Give the reason why the rows are not restricted."
            raise ValueError(msg)
        return self.all()


class RobotScopedQuerySet(OrganizationScopedQuerySet):
    """Rows of a robot, visible to API keys bound to that robot."""

    robot_lookup = "robot_id"
