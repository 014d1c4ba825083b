"""Place robots on the map of their facility."""

from __future__ import annotations

from django.core.exceptions import ValidationError

from apps.robots.models import Robot
from apps.robots.services.robots import robot_lock, robot_update
from apps.robots.services.validation import lock_facility
from urfmp.common.tenancy.context import audit_action


def robot_place(
    robot: Robot, *, facility: str, x_m: float, y_m: float, theta_rad: float | None = None
) -> Robot:
    """Set a robot's coordinates in its facility; its map stays.

    Locks the facility, then the robot, in the order in which a facility is renamed: the coordinates
    belong to that facility, and a concurrent change of the location must not be lost.

    Args:
        robot: Robot to place.
        facility: Name of the facility in whose coordinates the position is.
        x_m: Position on the x axis of the facility.
        y_m: Position on the y axis.
        theta_rad: Heading, counter-clockwise from the x axis; None to keep the stored one.

    Raises:
        ValidationError: The robot is in another facility, or a coordinate is out of range.
    """
    with audit_action("robots.robot.place"):
        lock_facility(facility)
        locked = robot_lock(robot.pk)
        if not facility or locked.facility != facility:
            msg = f"{locked.name} is not in this facility any more. Change its facility first."
            raise ValidationError({"robot": msg})
        location = locked.location or {}
        known = location.get("coordinates") or {}
        coordinates = {
            **{name: known[name] for name in ("theta_rad", "map_id") if name in known},
            "x_m": x_m,
            "y_m": y_m,
            **({} if theta_rad is None else {"theta_rad": theta_rad}),
        }
        return robot_update(locked, location={**location, "coordinates": coordinates})
