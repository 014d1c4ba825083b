"""Stored points as samples of rules."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

# A value holds until the next sample, at most this long before the first instant that counts.
MAX_HELD_DAYS = 1

# The series of work items with the least and greatest value in the range of each. A robot with a
# rule that is not normal is returned in any case. All metrics of a robot are read at once, by its
# index over time: with a condition on the metric, the planner would read that of all robots,
# because it knows nothing of a new chunk. OFFSET 0 forces one index scan for each robot.
_SUSPICIOUS = """
    WITH touched AS MATERIALIZED (
        SELECT robot.id AS robot_id, min(b.least_time) AS least, max(b.greatest_time) AS greatest
        FROM telemetry_batches b
        CROSS JOIN unnest(b.robot_ids) AS robot (id)
        WHERE b.id = ANY (%(items)s) AND b.metric_names && %(metrics)s::varchar[]
        GROUP BY robot.id, time_bucket('10 minutes', b.least_time)
    ),
    active AS MATERIALIZED (
        SELECT DISTINCT robot_id FROM alert_rule_states
        WHERE robot_id IS NOT NULL AND (state <> 'normal' OR next_due_at IS NOT NULL)
    ),
    found AS (
        SELECT w.robot_id, p.metric_name, min(p.time) AS least, max(p.time) AS greatest,
               min(p.value) AS low, max(p.value) AS high
        FROM touched w
        CROSS JOIN LATERAL (
            SELECT t.metric_name, t.time, t.value FROM robot_telemetry t
            WHERE t.robot_id = w.robot_id AND t.time >= w.least AND t.time <= w.greatest
              AND t.time >= %(start)s AND t.time <= %(end)s
            OFFSET 0
        ) AS p
        GROUP BY w.robot_id, p.metric_name
    )
    SELECT f.robot_id, f.metric_name, f.least, f.greatest, f.low, f.high
    FROM found f
    JOIN unnest(%(metrics)s::text[], %(lows)s::float8[], %(highs)s::float8[])
        AS b (metric_name, low, high) ON b.metric_name = f.metric_name
    WHERE f.low <= b.low OR f.high >= b.high OR f.robot_id IN (SELECT robot_id FROM active)
"""
_SAMPLES = """
    SELECT w.robot_id, w.metric_name, t.time, t.value
    FROM unnest(%(robots)s::uuid[], %(metrics)s::text[], %(after)s::timestamptz[])
        AS w (robot_id, metric_name, after)
    JOIN robots r ON r.id = w.robot_id
    CROSS JOIN LATERAL (
        (SELECT time, value FROM robot_telemetry
         WHERE robot_id = w.robot_id AND metric_name = w.metric_name
           AND time > %(held)s AND time <= w.after AND value IS NOT NULL
         ORDER BY time DESC LIMIT 1)
        UNION ALL
        (SELECT time, value FROM robot_telemetry
         WHERE robot_id = w.robot_id AND metric_name = w.metric_name
           AND time > w.after AND time > %(least)s AND time <= %(until)s AND value IS NOT NULL
         OFFSET 0)
    ) AS t
    ORDER BY w.robot_id, t.time
"""
_NEWEST = """
    SELECT w.robot_id, w.metric_name, t.time
    FROM unnest(%(robots)s::uuid[], %(metrics)s::text[]) AS w (robot_id, metric_name)
    CROSS JOIN LATERAL (
        SELECT time FROM robot_telemetry
        WHERE robot_id = w.robot_id AND metric_name = w.metric_name
          AND time > %(after)s AND value IS NOT NULL
        ORDER BY time DESC LIMIT 1
    ) AS t
"""
_RECENT = """
    SELECT robot_id, metric_name, time, value FROM robot_telemetry
    WHERE robot_id IN (SELECT id FROM robots WHERE id = ANY (%(robots)s))
      AND metric_name = ANY (%(metrics)s)
      AND time >= %(start)s AND time <= %(end)s AND value IS NOT NULL
    ORDER BY time DESC LIMIT %(limit)s
"""
_SILENT = """
    SELECT l.robot_id, l.metric_name, l.time
    FROM telemetry_latest l
    JOIN unnest(%(metrics)s::text[], %(before)s::timestamptz[]) AS w (metric_name, before)
        ON w.metric_name = l.metric_name
    JOIN robots r ON r.id = l.robot_id AND r.is_active
    WHERE l.time <= w.before AND l.time > %(after)s
"""


class SuspiciousSeries(NamedTuple):
    """A series with new points that may matter to a rule.

    Attributes:
        least: Time of the earliest new point.
        greatest: Time of the latest new point.
        low: Least value in this range; None if no point has a value.
        high: Greatest value in this range.
    """

    robot_id: UUID
    metric_name: str
    least: datetime
    greatest: datetime
    low: float | None
    high: float | None


class Point(NamedTuple):
    """A stored value of a robot's metric."""

    robot_id: UUID
    metric_name: str
    time: datetime
    value: float


def suspicious_series(
    item_ids: Collection[int],
    bounds: Mapping[str, tuple[float, float]],
    *,
    start: datetime,
    end: datetime,
) -> list[SuspiciousSeries]:
    """Return the series whose new points may matter to a rule.

    Args:
        item_ids: Claimed work items.
        bounds: Greatest low and least high value that matter, by metric.
        start: Start of the time range that is read, so that few chunks are planned.
        end: End of the time range.
    """
    values: dict[str, Any] = {
        "items": list(item_ids),
        "metrics": list(bounds),
        "lows": [low for low, _ in bounds.values()],
        "highs": [high for _, high in bounds.values()],
        "start": start,
        "end": end,
    }
    with connection.cursor() as cursor:
        cursor.execute(_SUSPICIOUS, values)
        return [SuspiciousSeries(*row) for row in cursor.fetchall()]


def points_after(after: Mapping[tuple[UUID | None, str], datetime], until: datetime) -> list[Point]:
    """Return the points of each series after a time.

    The newest point up to that time comes first, at most a day older.

    Args:
        after: Time by robot and metric.
        until: End of the time range.
    """
    if not after:
        return []
    least = min(after.values())
    values: dict[str, Any] = {
        "robots": [robot_id for robot_id, _ in after],
        "metrics": [metric for _, metric in after],
        "after": list(after.values()),
        "least": least,
        "held": least - timedelta(days=MAX_HELD_DAYS),
        "until": until,
    }
    with connection.cursor() as cursor:
        cursor.execute(_SAMPLES, values)
        return [Point(*row) for row in cursor.fetchall()]


def silent_series(
    before: Mapping[str, datetime], after: datetime
) -> list[tuple[UUID, str, datetime]]:
    """Return robot, metric and newest time of series without recent points.

    Args:
        before: Time by metric; only series whose newest point is not later are returned.
        after: Series that are silent for longer are left out.
    """
    values: dict[str, Any] = {
        "metrics": list(before),
        "before": list(before.values()),
        "after": after,
    }
    with connection.cursor() as cursor:
        cursor.execute(_SILENT, values)
        found = {(robot_id, metric): time for robot_id, metric, time in cursor.fetchall()}
        if not found:
            return []
        # Points that are not rolled up yet are newer.
        cursor.execute(
            _NEWEST,
            {
                "robots": [robot_id for robot_id, _ in found],
                "metrics": [metric for _, metric in found],
                "after": min(found.values()),
            },
        )
        found |= {(robot_id, metric): time for robot_id, metric, time in cursor.fetchall()}
    return [
        (robot_id, metric, time)
        for (robot_id, metric), time in found.items()
        if time <= before[metric]
    ]


def recent_points(
    robot_ids: Collection[UUID],
    metrics: Collection[str],
    *,
    start: datetime,
    end: datetime,
    limit: int,
) -> list[Point]:
    """Return the newest points of a time range, earliest first."""
    values: dict[str, Any] = {
        "robots": list(robot_ids),
        "metrics": list(metrics),
        "start": start,
        "end": end,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(_RECENT, values)
        return [Point(*row) for row in reversed(cursor.fetchall())]
