from __future__ import annotations

from http import HTTPStatus

from urfmp.common.exceptions import ApplicationError


class FacilityInUseError(ApplicationError):
    """The facility has robots or parts; move them to another first."""

    code = "facility_in_use"


class PlanConversionBusyError(ApplicationError):
    """Other floor plans are being converted. Try again in some seconds."""

    code = "busy"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after = 5


class PlatformOrganizationError(ApplicationError):
    """The platform's own organization cannot be deactivated or entered."""

    code = "platform_organization"


class NoScheduledSettingsError(ApplicationError):
    """No change of the settings is scheduled."""

    code = "no_scheduled_settings"


class NoActiveOrganizationError(ApplicationError):
    """No organization is selected."""

    code = "no_organization_chosen"
