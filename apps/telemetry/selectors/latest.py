"""The newest point of each metric, of one robot or of a fleet."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection
from django.db.models import QuerySet

# What batches that are not rolled up yet can add to the table, as limits in time. Looking for a few
# robots in the lists of a batch is quick, looking for a fleet is not.
_FEW_ROBOTS = 50
_WAITING = """
    b.rolled_up_at IS NULL
    AND (%(few)s::uuid[] IS NULL OR b.robot_ids && %(few)s::uuid[])
    AND (%(metrics)s::text[] IS NULL OR b.metric_names && %(metrics)s::varchar[])
"""
_PENDING = f"""
    SELECT min(b.least_time), max(b.greatest_time) FROM telemetry_batches b WHERE {_WAITING}
"""  # noqa: S608 - constants
_KNOWN = """
    SELECT l.robot_id, l.metric_name, l.time, l.value, l.unit FROM telemetry_latest l
    WHERE l.robot_id IN (SELECT id FROM wanted)
      AND (%(metrics)s::text[] IS NULL OR l.metric_name = ANY (%(metrics)s))
"""
_SETTLED = f"""
    WITH wanted AS MATERIALIZED ({{wanted}})
    {_KNOWN} ORDER BY l.robot_id, l.metric_name
"""
# One look into the index of the points for each series that was sent since.
_FRESH = f"""
    WITH wanted AS MATERIALIZED ({{wanted}}),
    known AS ({_KNOWN}),
    pending AS MATERIALIZED (
        SELECT robot.id AS robot_id, metric.name AS metric_name,
               min(b.least_time) AS least, max(b.greatest_time) AS greatest
        FROM telemetry_batches b
        CROSS JOIN unnest(b.robot_ids) AS robot (id)
        CROSS JOIN unnest(b.metric_names) AS metric (name)
        WHERE {_WAITING} AND robot.id IN (SELECT id FROM wanted)
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
_SOME_ROBOTS = "SELECT id FROM robots WHERE id = ANY (%(robots)s)"
# Written by the database: making 10,000 objects only to write them down takes longer than all else.
_AS_JSON = """
    SELECT '[' || coalesce(string_agg(
        '{{"robot_id":"' || robot_id || '","metric_name":' || to_json(metric_name)
        || ',"value":' || coalesce(to_json(value)::text, 'null')
        || ',"unit":' || coalesce(to_json(unit)::text, 'null')
        || ',"time":' || to_json(time) || '}}', ','), '') || ']'
    FROM ({rows}) AS rows
"""
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
    ids = list(robot_ids)
    values = {"robots": ids, "few": ids if len(ids) <= _FEW_ROBOTS else None}
    with connection.cursor() as cursor:
        _execute(cursor, "{rows}", _SOME_ROBOTS, values, metrics)
        return [LatestValue(*row) for row in cursor.fetchall()]


def latest_json(robots: QuerySet[Any], metrics: Collection[str] | None = None) -> bytes:
    """Return the same as `latest_values` for many robots, as a JSON list of objects.

    Args:
        robots: Which robots: those that the caller may see, in an order, and a slice of them.
        metrics: Of these metrics alone.
    """
    wanted, parameters = robots.values("id").query.sql_with_params()
    named = {f"wanted_{number}": value for number, value in enumerate(parameters)}
    wanted = wanted.replace("%s", "{}").format(*(f"%({name})s" for name in named))
    with connection.cursor() as cursor:
        _execute(cursor, _AS_JSON, wanted, {**named, "few": None}, metrics)
        return str(cursor.fetchone()[0]).encode()


def _execute(
    cursor: Any,
    shape: str,
    wanted: str,
    values: dict[str, Any],
    metrics: Collection[str] | None,
) -> None:
    values["metrics"] = None if metrics is None else list(metrics)
    cursor.execute(_PENDING, values)
    least, greatest = cursor.fetchone()
    # Limits that stand in the statement keep chunks of other days out of its plan. What is stored
    # since they were read need not be found.
    rows = _SETTLED if least is None else _FRESH
    statement = shape.format(rows=rows.format(wanted=wanted))
    cursor.execute(statement, {**values, "least": least, "greatest": greatest})


def metric_names(robot_id: UUID) -> list[str]:
    """Return the names of all metrics that a robot has ever sent, in order."""
    with connection.cursor() as cursor:
        cursor.execute(_NAMES, {"robot": robot_id})
        return [row[0] for row in cursor.fetchall()]
