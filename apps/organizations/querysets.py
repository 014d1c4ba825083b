from __future__ import annotations

from typing import Any, Self

from urfmp.common.tenancy.querysets import OrganizationScopedQuerySet


class OrganizationQuerySet(OrganizationScopedQuerySet):
    """Organizations; each user sees their own."""

    organization_lookup = "id"


class FacilityQuerySet(OrganizationScopedQuerySet):
    """Facilities of one organization."""


class FloorPlanQuerySet(OrganizationScopedQuerySet):
    """Floor plans of one organization's facilities.

    A plan is visible to those who see its facility, and changed by those who change it.
    """

    def restrict(self, principal: Any, action: str = "view") -> Self:
        """Return the plans of the facilities that the principal may access."""
        facilities = self.model._meta.get_field("facility").related_model._default_manager
        return self.filter(facility__in=facilities.restrict(principal, action))

    def without_picture(self) -> Self:
        """Leave out the picture, which has megabytes."""
        return self.defer("picture")


class PlatformOrganizationQuerySet(OrganizationScopedQuerySet):
    """All organizations, for super admins in their home organization.

    The database enforces the same rule.
    """

    def restrict(self, principal: Any, action: str = "view") -> Self:
        """Return all organizations, or none."""
        opts = self.model._meta
        may = principal.is_authenticated and principal.has_perm(
            f"{opts.app_label}.{action}_{opts.model_name}"
        )
        is_home = getattr(principal, "home_organization_id", None) is None
        return self.all() if may and is_home else self.none()
