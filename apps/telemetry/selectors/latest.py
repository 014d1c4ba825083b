"""The newest point of each metric, of one robot or a fleet."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection
from django.db.models import QuerySet

from urfmp.common.db.subqueries import named_subquery

# The time range of points that are not rolled up yet. Filtering the pending work by a few robots is
# fast, filtering it by a fleet is not.
_MAX_FILTERED_ROBOTS = 50
_PENDING_FILTER = """
    b.rolled_up_at IS NULL
    AND (%(few)s::uuid[] IS NULL OR b.robot_ids && %(few)s::uuid[])
    AND (%(metrics)s::text[] IS NULL OR b.metric_names && %(metrics)s::varchar[])
"""
_PENDING_TIME_RANGE = f"""
    SELECT min(b.least_time), max(b.greatest_time) FROM telemetry_batches b WHERE {_PENDING_FILTER}
"""  # noqa: S608 - constants
_ROLLED_UP = """
    SELECT l.robot_id, l.metric_name, l.time, l.value, l.unit FROM telemetry_latest l
    WHERE l.robot_id IN (SELECT id FROM wanted)
      AND (%(metrics)s::text[] IS NULL OR l.metric_name = ANY (%(metrics)s))
"""
_WITHOUT_PENDING = f"""
    WITH wanted AS MATERIALIZED ({{wanted}})
    {_ROLLED_UP} ORDER BY l.robot_id, l.metric_name
"""
# One index lookup in the points for each series with pending work.
_WITH_PENDING = f"""
    WITH wanted AS MATERIALIZED ({{wanted}}),
    known AS ({_ROLLED_UP}),
    pending AS MATERIALIZED (
        SELECT robot.id AS robot_id, metric.name AS metric_name,
               min(b.least_time) AS least, max(b.greatest_time) AS greatest
        FROM telemetry_batches b
        CROSS JOIN unnest(b.robot_ids) AS robot (id)
        CROSS JOIN unnest(b.metric_names) AS metric (name)
        WHERE {_PENDING_FILTER} AND robot.id IN (SELECT id FROM wanted)
          AND (%(metrics)s::text[] IS NULL OR metric.name = ANY (%(metrics)s))
        GROUP BY 1, 2
    )
    SELECT robot_id, metric_name, coalesce(newest.time, known.time) AS time,
           CASE WHEN newest.time IS NULL THEN known.value ELSE newest.value END AS value,
           CASE WHEN newest.time IS NULL THEN known.unit ELSE newest.unit END AS unit
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
_ROBOTS_BY_ID = "SELECT id FROM robots WHERE id = ANY (%(robots)s)"
# The database writes the JSON: building 10,000 objects just to encode them would dominate.
_AS_JSON = """
    SELECT '[' || coalesce(string_agg(
        '{{"robot_id":"' || robot_id || '","metric_name":' || to_json(metric_name)
        || ',"value":' || coalesce(to_json(value)::text, 'null')
        || ',"unit":' || coalesce(to_json(unit)::text, 'null')
        || ',"time":' || to_json(time) || '}}', ','), '') || ']'
    FROM ({rows}) AS rows
"""
_METRIC_NAMES = """
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
    """Return the newest point of each robot and metric; two queries.

    Robots of other organizations have none.

    Args:
        robot_ids: Robots to include.
        metrics: Metrics to include; all by default.
    """
    ids = list(robot_ids)
    values = {"robots": ids, "few": ids if len(ids) <= _MAX_FILTERED_ROBOTS else None}
    with connection.cursor() as cursor:
        _execute(cursor, "{rows}", _ROBOTS_BY_ID, values, metrics)
        return [LatestValue(*row) for row in cursor.fetchall()]


def latest_json(robots: QuerySet[Any], metrics: Collection[str] | None = None) -> bytes:
    """Return `latest_values` of many robots, as a JSON list of objects.

    Args:
        robots: Robots that are visible to the user; ordered and sliced.
        metrics: Metrics to include; all by default.
    """
    wanted, named = named_subquery(robots.values("id"), "wanted")
    with connection.cursor() as cursor:
        _execute(cursor, _AS_JSON, wanted, {**named, "few": None}, metrics)
        return str(cursor.fetchone()[0]).encode()


def _execute(
    cursor: Any,
    template: str,
    wanted: str,
    values: dict[str, Any],
    metrics: Collection[str] | None,
) -> None:
    values["metrics"] = None if metrics is None else list(metrics)
    cursor.execute(_PENDING_TIME_RANGE, values)
    least, greatest = cursor.fetchone()
    # Limits in the statement keep chunks of other days out of its plan. Points stored after they
    # were read need not be found.
    rows = _WITHOUT_PENDING if least is None else _WITH_PENDING
    statement = template.format(rows=rows.format(wanted=wanted))
    cursor.execute(statement, {**values, "least": least, "greatest": greatest})


def metric_names(robot_id: UUID) -> list[str]:
    """Return the names of all metrics that a robot has sent, sorted."""
    with connection.cursor() as cursor:
        cursor.execute(_METRIC_NAMES, {"robot": robot_id})
        return [row[0] for row in cursor.fetchall()]
