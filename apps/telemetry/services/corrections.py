"""Delete or replace points of a series.

Rollups and the latest value follow in the same transaction, so that no reader sees them differ. A
point that is deleted may be stored again: the platform keeps no list of deleted points.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import OperationalError, connection
from psycopg.errors import ProgramLimitExceeded

from apps.robots.models import Robot
from apps.telemetry.exceptions import (
    InvalidRangeError,
    PointsChangedError,
    RangeTooLargeError,
    UnknownPointsError,
)
from apps.telemetry.models.rollups import LEVELS
from apps.telemetry.selectors.corrections import PointsSummary, points_at, points_summary
from apps.telemetry.services.pending_work import work_items_get
from apps.telemetry.services.rollups import rollups_lock, work_items_rebuild
from urfmp.common.security.redaction import redact_text
from urfmp.common.tenancy.context import audit_action

# The functions in the database enforce the same limits.
MAX_DELETED_POINTS = 100_000
MAX_REPLACED_POINTS = 1_000
MAX_REASON_LENGTH = 500
_MAX_LISTED_TIMES = 5

_LATEST_TIME = "SELECT time FROM telemetry_latest WHERE robot_id = %s AND metric_name = %s"
_NEWEST = """
    SELECT t.time, t.value, t.unit FROM robot_telemetry t
    WHERE t.robot_id = %s AND t.metric_name = %s
    ORDER BY t.time DESC LIMIT 1
"""
_UPDATE_LATEST = """
    UPDATE telemetry_latest SET time = %s, value = %s, unit = %s
    WHERE robot_id = %s AND metric_name = %s
"""


def points_delete(
    robot: Robot,
    *,
    metric_name: str,
    start: datetime,
    end: datetime,
    reason: str,
    expected_points: int | None = None,
) -> PointsSummary:
    """Delete a series' points in a range; return their summary.

    Waits until no worker rolls up the organization's points, so that none writes a rollup of
    deleted points. Points that are ingested meanwhile are deleted, or stay and are rolled up later.

    Args:
        robot: Robot of the series.
        metric_name: Metric of the series.
        start: Start of the time range.
        end: End of the time range, exclusive.
        reason: Reason for the audit log.
        expected_points: Number of points in the preview that the user has confirmed, if any.

    Raises:
        InvalidRangeError: `start` is not before `end`.
        PointsChangedError: The range has another number of points than expected.
        RangeTooLargeError: The range has more than `MAX_DELETED_POINTS` points.
        ValidationError: The reason is blank or too long.
    """
    if start >= end:
        raise InvalidRangeError
    with audit_action("telemetry.points.delete"):
        deleted = _correct(
            "SELECT * FROM telemetry_points_delete(%s, %s, %s, %s, %s)",
            robot,
            metric_name,
            [start, end, _clean_reason(reason)],
        )
        _require_expected(deleted.points, expected_points)
    return deleted


def points_replace(
    robot: Robot,
    *,
    metric_name: str,
    values: Mapping[datetime, float],
    reason: str,
) -> PointsSummary:
    """Replace the values of points; return a summary of the old values.

    All named points are replaced, or none. Time, unit and metadata stay. Waits like
    `points_delete()`.

    Args:
        robot: Robot of the series.
        metric_name: Metric of the series.
        values: New value of each point, by its time.
        reason: Reason for the audit log.

    Raises:
        UnknownPointsError: Some of the times have no point.
        ValidationError: The values or the reason are invalid.
    """
    _check_values(values)
    with audit_action("telemetry.points.replace"):
        rollups_lock(robot.organization_id, wait=True)
        _require_points(robot, metric_name, values)
        replaced = _correct(
            "SELECT * FROM telemetry_points_replace(%s, %s, %s, %s, %s)",
            robot,
            metric_name,
            [list(values), list(values.values()), _clean_reason(reason)],
        )
        if replaced.points != len(values):
            raise UnknownPointsError
    return replaced


def points_delete_preview(
    robot: Robot, *, metric_name: str, start: datetime, end: datetime
) -> PointsSummary:
    """Return what `points_delete()` would delete now.

    Raises:
        InvalidRangeError: `start` is not before `end`.
        RangeTooLargeError: The range has more than `MAX_DELETED_POINTS` points.
    """
    if start >= end:
        raise InvalidRangeError
    found = points_summary(
        robot.pk, metric_name, start=start, end=end, max_points=MAX_DELETED_POINTS + 1
    )
    if found.points > MAX_DELETED_POINTS:
        raise _range_too_large()
    return found


def points_replace_preview(
    robot: Robot, *, metric_name: str, values: Mapping[datetime, float]
) -> PointsSummary:
    """Return what `points_replace()` would replace now.

    Raises:
        UnknownPointsError: Some of the times have no point.
        ValidationError: The values are invalid.
    """
    _check_values(values)
    stored = _require_points(robot, metric_name, values)
    numbers = [value for value in stored.values() if value is not None]
    return PointsSummary(
        points=len(stored),
        first_time=min(stored),
        last_time=max(stored),
        minimum=min(numbers, default=None),
        maximum=max(numbers, default=None),
    )


def _clean_reason(reason: str) -> str:
    text = " ".join(reason.split())
    if not 1 <= len(text) <= MAX_REASON_LENGTH:
        msg = f"Enter a reason of at most {MAX_REASON_LENGTH} characters."
        raise ValidationError({"reason": msg})
    return redact_text(text)


def _check_values(values: Mapping[datetime, float]) -> None:
    if not 1 <= len(values) <= MAX_REPLACED_POINTS:
        msg = f"Name 1 to {MAX_REPLACED_POINTS:,} points."
        raise ValidationError({"replace": msg})
    if not all(math.isfinite(value) for value in values.values()):
        msg = "Enter finite values."
        raise ValidationError({"replace": msg})


def _require_points(
    robot: Robot, metric_name: str, values: Mapping[datetime, float]
) -> dict[datetime, float | None]:
    """Return the stored values of all named points."""
    stored = points_at(robot.pk, metric_name, values.keys())
    if missing := sorted(values.keys() - stored.keys()):
        times = [f"{time:%Y-%m-%dT%H:%M:%S.%f%z}" for time in missing[:_MAX_LISTED_TIMES]]
        more = " and others" if len(missing) > len(times) else ""
        msg = f"No points are stored at {', '.join(times)}{more}. Nothing was replaced."
        raise UnknownPointsError(msg)
    return stored


def _require_expected(points: int, expected: int | None) -> None:
    if expected is not None and points != expected:
        msg = (
            f"The range now has {points:,} points, not {expected:,}. Nothing was deleted. Check "
            "the range again."
        )
        raise PointsChangedError(msg)


def _range_too_large() -> RangeTooLargeError:
    return RangeTooLargeError(
        f"The range has more than {MAX_DELETED_POINTS:,} points. Choose a shorter range."
    )


def _correct(statement: str, robot: Robot, metric_name: str, arguments: list[Any]) -> PointsSummary:
    """Correct points, then rollups and the latest value."""
    with connection.cursor() as cursor:
        try:
            cursor.execute(statement, [robot.pk, metric_name, *arguments])
        except OperationalError as error:
            if isinstance(error.__cause__, ProgramLimitExceeded):
                raise _range_too_large() from error
            raise
        document, item_ids = cursor.fetchone()
        corrected = _summary_of(json.loads(document))
        if corrected.points:
            work_items_rebuild(robot.organization_id, work_items_get(item_ids))
            _correct_latest(cursor, robot, metric_name, corrected)
    return corrected


def _summary_of(document: dict[str, Any]) -> PointsSummary:
    if not document["points"]:
        return PointsSummary(0)
    numbers = {
        name: None if document[name] is None else float(document[name])
        for name in ("minimum", "maximum")
    }
    return PointsSummary(
        points=document["points"],
        first_time=datetime.fromisoformat(document["first_time"]),
        last_time=datetime.fromisoformat(document["last_time"]),
        digest=document["digest"],
        **numbers,
    )


def _correct_latest(cursor: Any, robot: Robot, metric_name: str, corrected: PointsSummary) -> None:
    """Read the latest value again if its point was corrected."""
    series = [robot.pk, metric_name]
    cursor.execute(_LATEST_TIME, series)
    latest = cursor.fetchone()
    if latest is None or not corrected.first_time <= latest[0] <= corrected.last_time:
        return
    cursor.execute(_NEWEST, series)
    if newest := cursor.fetchone():
        cursor.execute(_UPDATE_LATEST, [*newest, *series])
        return
    # Retention finds rollups by their series' latest value.
    for table in ("telemetry_latest", *(level.table for level in LEVELS)):
        cursor.execute(
            f"DELETE FROM {table} WHERE robot_id = %s AND metric_name = %s",  # noqa: S608 - constant
            series,
        )
