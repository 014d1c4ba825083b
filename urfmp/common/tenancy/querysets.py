"""Visibility of rows: decided by `restrict`, and by nothing else."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol, Self
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import QuerySet

from urfmp.common.db.constraints import under_fields


class Principal(Protocol):
    """Who asks: a person, an API key, or nobody.

    Attributes:
        organization_id: The organization whose rows the principal works with.
        robot_id: The one robot that a device key speaks for.
    """

    is_authenticated: bool
    is_active: bool
    organization_id: UUID | None
    robot_id: UUID | None

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Tell whether the principal's role or scopes grant `app.action_model`."""
        ...


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


class TenantModel(models.Model):
    """A row that belongs to one organization; its table stands behind row-level security."""

    is_tenant_owned = True

    class Meta:
        abstract = True

    def validate_constraints(self, exclude: Collection[str] | None = None) -> None:
        """Check them, and tell of a value that is taken under its own field's name.

        Raises:
            ValidationError: A constraint is violated.
        """
        try:
            super().validate_constraints(exclude)
        except ValidationError as error:
            raise ValidationError(under_fields(self, error)) from error
