"""Points that a correction would delete or replace."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

# The robot is compared with a subquery, so that its policy decides which points are visible.
_SUMMARY = """
    SELECT count(*), min(p.time), max(p.time), min(p.value), max(p.value)
    FROM (
        SELECT t.time, t.value FROM robot_telemetry t
        WHERE t.robot_id = (SELECT id FROM robots WHERE id = %s) AND t.metric_name = %s
          AND t.time >= %s AND t.time < %s
        LIMIT %s
    ) AS p
"""
_POINTS_AT = """
    SELECT t.time, t.value FROM robot_telemetry t
    WHERE t.robot_id = (SELECT id FROM robots WHERE id = %s) AND t.metric_name = %s
      AND t.time = ANY (%s) AND t.time >= %s AND t.time <= %s
    ORDER BY t.time
"""


@dataclass(frozen=True)
class PointsSummary:
    """Points that are corrected, as they are before.

    Attributes:
        points: Number of points.
        first_time: Time of the first point, if there is one.
        last_time: Time of the last point.
        minimum: Least value.
        maximum: Greatest value.
        digest: SHA-256 of the points, one line of time, value and unit each; None in a preview.
    """

    points: int
    first_time: datetime | None = None
    last_time: datetime | None = None
    minimum: float | None = None
    maximum: float | None = None
    digest: str | None = None


def points_summary(
    robot_id: UUID, metric_name: str, *, start: datetime, end: datetime, max_points: int
) -> PointsSummary:
    """Return a summary of a series in a time range.

    Args:
        robot_id: Robot of the series.
        metric_name: Metric of the series.
        start: Start of the time range.
        end: End of the time range, exclusive.
        max_points: Count no more points than these.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SUMMARY, [robot_id, metric_name, start, end, max_points])
        return PointsSummary(*cursor.fetchone())


def points_at(
    robot_id: UUID, metric_name: str, times: Collection[datetime]
) -> dict[datetime, float | None]:
    """Return the values of the points at the given times."""
    if not times:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_POINTS_AT, [robot_id, metric_name, sorted(times), min(times), max(times)])
        return dict(cursor.fetchall())
