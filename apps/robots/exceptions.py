from __future__ import annotations

from http import HTTPStatus

from urfmp.common.exceptions import ApplicationError


class RobotRetiredError(ApplicationError):
    """The robot is retired; return it to service first."""

    code = "robot_retired"


class LifecycleTransitionError(ApplicationError):
    """The robot cannot change to this stage from its current one."""

    code = "lifecycle_transition"


class RobotInServiceError(ApplicationError):
    """The robot is in service; retire it first."""

    code = "robot_in_service"


class InvalidClaimCodeError(ApplicationError):
    """This claim code is invalid, was used, or has expired."""

    code = "claim_refused"
    status = HTTPStatus.BAD_REQUEST


class RobotHasKeyError(ApplicationError):
    """The robot has a valid API key. Revoke it first."""

    code = "robot_has_key"


class InvalidFleetFileError(ApplicationError):
    """The file of robots cannot be read."""

    code = "invalid_file"
    status = HTTPStatus.BAD_REQUEST


class FleetFileBusyError(ApplicationError):
    """Another spreadsheet is being read. Try again in some seconds."""

    code = "busy"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after = 5


class RobotImportStateError(ApplicationError):
    """The import is not in the required state."""

    code = "invalid_state"


class TooManyRobotImportsError(ApplicationError):
    """Too many imports are unfinished. Finish or cancel one of them."""

    code = "too_many_imports"
    status = HTTPStatus.TOO_MANY_REQUESTS
    retry_after = 60


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


class CommandNotFoundError(ApplicationError):
    """The robot has no such command."""

    code = "not_found"
    status = HTTPStatus.NOT_FOUND


class CommandStateError(ApplicationError):
    """The status of the command does not allow this action."""

    code = "command_state"


class AcknowledgementOverdueError(Exception):
    """The robot did not acknowledge the previous command in time."""


class CommandBlockedError(ApplicationError):
    """The robot cannot be given this command now."""

    code = "command_blocked"


class StopLatchedError(CommandBlockedError):
    """A stop was requested for the robot. Reset the robot first."""

    code = "stop_latched"


class MaintenanceLockedError(CommandBlockedError):
    """The robot is locked for maintenance; no command reaches it."""

    code = "maintenance_locked"


class RobotOfflineError(CommandBlockedError):
    """The robot is offline."""

    code = "robot_offline"


class RobotStoppedError(CommandBlockedError):
    """The robot reports an emergency stop. Release it there first."""

    code = "robot_emergency_stop"


class MotionInFlightError(CommandBlockedError):
    """Another motion command of the robot is in flight."""

    code = "motion_in_flight"


class LeaseHeldError(CommandBlockedError):
    """Another user controls the robot."""

    code = "lease_held"


class CommandForbiddenError(CommandBlockedError):
    """The author of the command may no longer control robots."""

    code = "command_forbidden"


class TooManyCommandsError(CommandBlockedError):
    """Too many commands of the robot are waiting."""

    code = "too_many_commands"


class SecretNotSetError(ApplicationError):
    """The robot's connection does not have this secret."""

    code = "secret_not_set"
    status = HTTPStatus.NOT_FOUND


class SecretUnreadableError(ApplicationError):
    """The secret cannot be decrypted; replace it."""

    code = "secret_unreadable"


class ApprovalByAuthorError(ApplicationError):
    """A second user must approve the command, not its author."""

    code = "approval_by_author"
    status = HTTPStatus.FORBIDDEN
