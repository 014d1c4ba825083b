"""Visibility of rows: decided by `restrict`, and by nothing else."""

from __future__ import annotations

from typing import Any, Self

from django.db.models import QuerySet


class OrganizationScopedQuerySet(QuerySet[Any]):
    """Rows of a tenant-owned table.

    Attributes:
        organization_lookup: How a row names its organization.
        robot_lookup: How a row names its robot, for keys bound to one; None where it has none,
            and then such a key sees no row.
    """

    organization_lookup = "organization_id"
    robot_lookup: str | None = None

    def restrict(self, principal: Any, action: str = "view") -> Self:
        """Return the rows that the principal may act on; none when it may not at all.

        Args:
            principal: `request.user`: a person, an API key or an anonymous user.
            action: Django's verb (view, add, change, delete) or one of the model's own.
        """
        opts = self.model._meta
        if not (principal.is_authenticated and principal.is_active):
            return self.none()
        if not principal.has_perm(f"{opts.app_label}.{action}_{opts.model_name}"):
            return self.none()
        rows = self.filter(**{self.organization_lookup: principal.organization_id})
        if (robot_id := getattr(principal, "robot_id", None)) is not None:
            return (
                rows.filter(**{self.robot_lookup: robot_id}) if self.robot_lookup else rows.none()
            )
        return rows

    def unscoped(self, reason: str) -> Self:
        """Return all rows that the open transaction may see, for jobs and services.

        Args:
            reason: Why nobody's visibility applies here; for the reader.
        """
        if not reason:
            msg = "Say why the rows are not restricted."
            raise ValueError(msg)
        return self.all()


class RobotScopedQuerySet(OrganizationScopedQuerySet):
    """Rows that belong to a robot, which a device key of that robot may see."""

    robot_lookup = "robot_id"
