"""The newest point of each metric, of one robot or of a fleet."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection

# What batches that are not rolled up yet can add to the table, as limits in time.
_PENDING = """
    SELECT min(least_time), max(greatest_time) FROM telemetry_batches
    WHERE rolled_up_at IS NULL AND robot_ids && %(robots)s::uuid[]
      AND (%(metrics)s::text[] IS NULL OR metric_names && %(metrics)s::varchar[])
"""
_KNOWN = """
    SELECT l.robot_id, l.metric_name, l.time, l.value, l.unit FROM telemetry_latest l
    WHERE l.robot_id = ANY (%(robots)s)
      AND (%(metrics)s::text[] IS NULL OR l.metric_name = ANY (%(metrics)s))
"""
_SETTLED = f"{_KNOWN} ORDER BY l.robot_id, l.metric_name"
# One look into the index of the points for each series that was sent since.
_FRESH = f"""
    WITH known AS ({_KNOWN}),
    pending AS MATERIALIZED (
        SELECT robot.id AS robot_id, metric.name AS metric_name,
               min(b.least_time) AS least, max(b.greatest_time) AS greatest
        FROM telemetry_batches b
        CROSS JOIN unnest(b.robot_ids) AS robot (id)
        CROSS JOIN unnest(b.metric_names) AS metric (name)
        WHERE b.rolled_up_at IS NULL AND b.robot_ids && %(robots)s::uuid[]
          AND robot.id IN (SELECT id FROM robots WHERE id = ANY (%(robots)s))
          AND (%(metrics)s::text[] IS NULL OR metric.name = ANY (%(metrics)s))
        GROUP BY 1, 2
    )
    SELECT robot_id, metric_name, coalesce(newest.time, known.time) AS time,
           CASE WHEN newest.time IS NULL THEN known.value ELSE newest.value END,
           CASE WHEN newest.time IS NULL THEN known.unit ELSE newest.unit END
    FROM known
    FULL JOIN pending USING (robot_id, metric_name)
    LEFT JOIN LATERAL (
        SELECT t.time, t.value, t.unit FROM robot_telemetry t
        WHERE t.robot_id = pending.robot_id AND t.metric_name = pending.metric_name
          AND t.time >= pending.least AND t.time <= pending.greatest
          AND t.time > coalesce(known.time, '-infinity')
          AND t.time >= %(least)s AND t.time <= %(greatest)s
        ORDER BY t.time DESC LIMIT 1
    ) AS newest ON true
    WHERE coalesce(newest.time, known.time) IS NOT NULL
    ORDER BY robot_id, metric_name
"""  # noqa: S608 - constants
_NAMES = """
    SELECT l.metric_name FROM telemetry_latest l WHERE l.robot_id = %(robot)s
    UNION
    SELECT unnest(b.metric_names) FROM telemetry_batches b
    WHERE b.rolled_up_at IS NULL AND b.robot_ids && ARRAY[%(robot)s]::uuid[]
      AND EXISTS (SELECT FROM robots WHERE id = %(robot)s)
    ORDER BY 1
"""


class LatestValue(msgspec.Struct, frozen=True):
    """The newest point of one metric; `unit` is a UCUM code."""

    robot_id: UUID
    metric_name: str
    time: datetime
    value: float | None
    unit: str | None


def latest_values(
    robot_ids: Iterable[UUID], metrics: Collection[str] | None = None
) -> list[LatestValue]:
    """Return the newest point of every metric of the robots, by robot and metric; two queries.

    Robots of other organizations have none.

    Args:
        robot_ids: Of which robots.
        metrics: Of these metrics alone.
    """
    values: dict[str, Any] = {
        "robots": list(robot_ids),
        "metrics": None if metrics is None else list(metrics),
    }
    with connection.cursor() as cursor:
        cursor.execute(_PENDING, values)
        least, greatest = cursor.fetchone()
        if least is None:
            cursor.execute(_SETTLED, values)
        else:
            # Limits that stand in the statement keep chunks of other days out of its plan. What is
            # stored since they were read need not be found.
            cursor.execute(_FRESH, {**values, "least": least, "greatest": greatest})
        return [LatestValue(*row) for row in cursor.fetchall()]


def metric_names(robot_id: UUID) -> list[str]:
    """Return the names of all metrics that a robot has ever sent, in order."""
    with connection.cursor() as cursor:
        cursor.execute(_NAMES, {"robot": robot_id})
        return [row[0] for row in cursor.fetchall()]
