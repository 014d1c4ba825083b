from __future__ import annotations

from http import HTTPStatus

from urfmp.common.exceptions import ApplicationError


class RobotRetiredError(ApplicationError):
    """The robot is retired; return it to service first."""

    code = "robot_retired"


class InvalidRangeError(ApplicationError):
    """The start of a range must be before its end."""

    code = "invalid_range"
    status = HTTPStatus.BAD_REQUEST


class ReportAheadError(ApplicationError):
    """The time of a status report is too far in the future."""

    code = "clock_skew"
    status = HTTPStatus.BAD_REQUEST


class ReportTooOldError(ApplicationError):
    """The time of a status report is older than the status history."""

    code = "too_old"
    status = HTTPStatus.BAD_REQUEST
