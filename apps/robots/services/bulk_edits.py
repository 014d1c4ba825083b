"""Change several robots at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction

from apps.robots.models import Robot
from apps.robots.protocols.fleet_files.columns import COLUMNS_BY_NAME
from apps.robots.services.exports import robot_record
from apps.robots.services.imports.rows import changed_fields
from apps.robots.services.lifecycle import robot_change_lifecycle
from apps.robots.services.robots import robot_update
from urfmp.common.exceptions import ApplicationError, PreconditionFailedError
from urfmp.common.tenancy.context import audit_action

MAX_ROBOTS = 200
# Columns of the files of robots that can be changed together.
BULK_COLUMNS = (
    "facility", "area", "cell", "vendor", "model", "lifecycle", "offline_after_seconds",
)  # fmt: skip


@dataclass(frozen=True)
class PlannedChange:
    """What a bulk edit would change of one robot.

    Attributes:
        robot: Robot with its version.
        values: Column, current value and new value of each change; empty if nothing changes.
    """

    robot: Robot
    values: list[tuple[str, Any, Any]]


@dataclass(frozen=True)
class EditResult:
    """Result of a bulk edit for one robot.

    Attributes:
        robot: The robot.
        is_changed: Whether it was changed.
        error: Why it was not; empty if it was, or if it had the values already.
    """

    robot: Robot
    is_changed: bool
    error: str = ""


def planned_changes(robots: Iterable[Robot], values: Mapping[str, Any]) -> list[PlannedChange]:
    """Return what new values would change of each robot.

    Args:
        robots: Robots to compare.
        values: New values by column, some of `BULK_COLUMNS`; None empties one.
    """
    plans = []
    for robot in robots:
        record, changed = robot_record(robot), changed_fields(robot, dict(values))
        plans.append(
            PlannedChange(
                robot,
                [
                    (name, record[name], value)
                    for name, value in values.items()
                    if COLUMNS_BY_NAME[name].path[0] in changed and record[name] != value
                ],
            )
        )
    return plans


def robots_edit(
    robots: Iterable[Robot], *, versions: Mapping[UUID, int], values: Mapping[str, Any]
) -> list[EditResult]:
    """Change several robots, each in a savepoint.

    The others change if one is rejected.

    Locks the rows in the order of their ids. A robot that was changed since the user saw it is
    left as it is.

    Args:
        robots: Robots that the user may change.
        versions: Version of each robot that the user has seen.
        values: New values by column, some of `BULK_COLUMNS`; None empties one.
    """
    keys = [robot.pk for robot in robots]
    rows = Robot.objects.select_for_update(no_key=True).filter(pk__in=keys).order_by("pk")
    return [_edit(robot, versions.get(robot.pk), values) for robot in rows]


def robots_edit_check(robots: Iterable[Robot], *, values: Mapping[str, Any]) -> dict[UUID, str]:
    """Return why robots could not be changed, by id.

    The change is tried and rolled back, so that every rule is asked.

    Args:
        robots: Robots that the user may change.
        values: New values by column, some of `BULK_COLUMNS`; None empties one.
    """
    found = list(robots)
    versions = {robot.pk: robot.version for robot in found}
    with transaction.atomic():
        results = robots_edit(found, versions=versions, values=values)
        transaction.set_rollback(True)
    return {result.robot.pk: result.error for result in results if result.error}


def _edit(robot: Robot, version: int | None, values: Mapping[str, Any]) -> EditResult:
    try:
        with transaction.atomic(), audit_action("robots.robot.bulk_edit"):
            if robot.version != version:
                raise PreconditionFailedError
            changes = changed_fields(robot, dict(values))
            lifecycle = changes.pop("lifecycle", None)
            robot_update(robot, **changes)
            if lifecycle is not None:
                robot_change_lifecycle(robot, lifecycle=lifecycle)
            return EditResult(robot, is_changed=bool(changes) or lifecycle is not None)
    except ValidationError as error:
        return EditResult(robot, is_changed=False, error=" ".join(error.messages))
    except ApplicationError as error:
        return EditResult(robot, is_changed=False, error=error.message)
