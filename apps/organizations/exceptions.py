from __future__ import annotations

from urfmp.common.exceptions import ApplicationError


class FacilityInUseError(ApplicationError):
    """Robots stand in this facility; move them first."""

    code = "facility_in_use"
