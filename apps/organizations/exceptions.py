from __future__ import annotations

from urfmp.common.exceptions import ApplicationError


class FacilityInUseError(ApplicationError):
    """Robots stand in this facility; move them first."""

    code = "facility_in_use"


class PlatformOrganizationError(ApplicationError):
    """This is the platform's own organization: it stays active, and nobody chooses it."""

    code = "platform_organization"


class NoOrganizationChosenError(ApplicationError):
    """No organization has been chosen."""

    code = "no_organization_chosen"
