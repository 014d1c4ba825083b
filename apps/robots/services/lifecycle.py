"""Change the stage of a robot's life as an asset."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db.models import F

from apps.robots.choices import Lifecycle, RobotAction, allows, next_stages
from apps.robots.exceptions import LifecycleTransitionError, RobotRetiredError
from apps.robots.models import Robot
from apps.robots.services.robots import robot_lock
from urfmp.common.tenancy.context import audit_action


def robot_change_lifecycle(robot: Robot, *, lifecycle: str) -> Robot:
    """Change a robot's stage and increment its version.

    The status stays as it is. The robot's row is locked, so that two changes follow one another.
    The current stage changes nothing.

    Args:
        robot: Robot to change.
        lifecycle: One of `Lifecycle` but retired.

    Raises:
        LifecycleTransitionError: The stage does not follow the current one.
        RobotRetiredError: The robot is retired.
        ValidationError: The stage is unknown, or retired.
    """
    if lifecycle == Lifecycle.RETIRED:
        raise ValidationError({"lifecycle": "Retiring a robot is an action of its own."})
    if lifecycle not in Lifecycle.values:
        raise ValidationError({"lifecycle": f"Choose one of {', '.join(stages_in_service())}."})
    with audit_action("robots.robot.change_lifecycle"):
        locked = robot_lock(robot.pk)
        if not allows(RobotAction.CHANGE_LIFECYCLE, locked.service_state):
            raise RobotRetiredError
        if lifecycle == locked.lifecycle:
            return locked
        if lifecycle not in (allowed := next_stages(locked.lifecycle)):
            msg = (
                f"A robot in the stage {locked.lifecycle} can only change to"
                f" {', '.join(stage for stage in Lifecycle.values if stage in allowed)}."
            )
            raise LifecycleTransitionError(msg)
        locked.lifecycle, locked.version = lifecycle, F("version") + 1
        locked.save(update_fields=["lifecycle", "version"])
        locked.refresh_from_db(fields=["version", "updated_at"])
    return locked


def stages_in_service() -> list[str]:
    """Return the stages of robots in service, in their order."""
    return [stage for stage in Lifecycle.values if stage != Lifecycle.RETIRED]
