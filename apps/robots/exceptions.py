from __future__ import annotations

from urfmp.common.exceptions import ApplicationError


class RobotRetiredError(ApplicationError):
    """This robot is retired; return it to service first."""

    code = "robot_retired"
