"""Compare rollups and latest values with the points that they are made from, and repair them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from apps.telemetry.models.rollups import AGGREGATES, COLUMNS, LEVELS, POINT_COLUMNS, WIDE, Level
from apps.telemetry.services.pending_work import batches_add_stored
from apps.telemetry.services.retention import telemetry_kept_since
from apps.telemetry.services.rollups import blocks_roll_up, roll_up, rollups_lock
from urfmp.common.tenancy.context import tenant_transaction

_DAY = timedelta(days=1)
# Points of the oldest day that is kept may be gone in part, with their chunk.
_COMPARED = timedelta(days=363)

# Sums are compared up to what the order of adding up changes. What waits to be rolled up is not
# expected to be there yet.
_COMPARE = """
    WITH made AS (
        SELECT p.robot_id, p.metric_name,
               time_bucket(%(width)s * interval '1 second', p.first_at) AS bucket, {aggregates}
        FROM (SELECT t.robot_id, t.metric_name, {point_columns} FROM robot_telemetry t
              WHERE t.robot_id IN (SELECT id FROM robots) AND t.value IS NOT NULL
                AND t.time >= %(start)s AND t.time < %(end)s) AS p
        GROUP BY 1, 2, 3
    ), kept AS (
        SELECT k.* FROM {table} k
        WHERE k.robot_id IN (SELECT id FROM robots)
          AND k.bucket >= %(start)s AND k.bucket < %(end)s
    )
    SELECT DISTINCT robot_id, metric_name
    FROM made FULL JOIN kept USING (robot_id, metric_name, bucket)
    WHERE (
        (made.count, made.min, made.max, made.first, made.first_at, made.last, made.last_at)
            IS DISTINCT FROM
        (kept.count, kept.min, kept.max, kept.first, kept.first_at, kept.last, kept.last_at)
        OR made.unit IS DISTINCT FROM kept.unit
        OR abs(coalesce(made.sum, 0) - coalesce(kept.sum, 0)) > 1e-9 * made.count
            * least(greatest(abs(made.min), abs(made.max)), 1e150)
        OR abs(coalesce(made.wide_sum, 0) - coalesce(kept.wide_sum, 0)) > 1e-9 * made.count
            * (greatest(abs(made.min), abs(made.max)) / {wide})
    ) AND NOT EXISTS (
        SELECT FROM telemetry_batches b
        WHERE b.rolled_up_at IS NULL AND b.least_time < %(end)s AND b.greatest_time >= %(start)s
          AND robot_id = ANY (b.robot_ids) AND metric_name = ANY (b.metric_names)
    )
"""
_COMPARE_LATEST = """
    SELECT s.robot_id, s.metric_name, newest.time
    FROM (
        SELECT l.robot_id, l.metric_name FROM telemetry_latest l
        UNION
        SELECT d.robot_id, d.metric_name FROM telemetry_days d
        WHERE d.robot_id IN (SELECT id FROM robots)
    ) AS s
    LEFT JOIN telemetry_latest l ON l.robot_id = s.robot_id AND l.metric_name = s.metric_name
    LEFT JOIN LATERAL (
        SELECT t.time, t.value, t.unit FROM robot_telemetry t
        WHERE t.robot_id = s.robot_id AND t.metric_name = s.metric_name
        ORDER BY t.time DESC LIMIT 1
    ) AS newest ON true
    WHERE (newest.time, newest.value, newest.unit) IS DISTINCT FROM (l.time, l.value, l.unit)
      AND NOT EXISTS (
        SELECT FROM telemetry_batches b
        WHERE b.rolled_up_at IS NULL
          AND s.robot_id = ANY (b.robot_ids) AND s.metric_name = ANY (b.metric_names)
    )
"""
# Of points, and of rollups too: those that no point stands behind any longer are wrong as well.
_FIRST_AND_LAST = """
    SELECT min(bounds.least), max(bounds.greatest) FROM (
        SELECT (SELECT t.time FROM robot_telemetry t WHERE t.robot_id = r.id
                ORDER BY t.time LIMIT 1) AS least,
               (SELECT t.time FROM robot_telemetry t WHERE t.robot_id = r.id
                ORDER BY t.time DESC LIMIT 1) AS greatest
        FROM robots r
        {rollups}
    ) AS bounds
"""
_ROLLUPS = """
        UNION ALL SELECT min(k.bucket), max(k.bucket) FROM {table} k
        WHERE k.robot_id IN (SELECT id FROM robots)
"""


@dataclass(frozen=True)
class Fault:
    """A series whose rollups of a day, or whose latest value, are not what its points say.

    Attributes:
        robot_id: Whose.
        metric_name: Which metric.
        table: Where it shows.
        day: Of a rollup: the day, UTC.
        newest: Of a latest value: the time of the newest point, if there is one.
    """

    robot_id: UUID
    metric_name: str
    table: str
    day: date | None = None
    newest: datetime | None = None


def rollups_check(
    organization_id: UUID, *, since: date | None = None, until: date | None = None
) -> Iterator[Fault]:
    """Yield what is wrong with an organization's rollups, day by day, then with latest values.

    What waits to be rolled up is rolled up first; what comes in meanwhile is left out.

    Args:
        organization_id: Whose.
        since: From this day on; the first with points or rollups unless given.
        until: Up to this day; the last with points or rollups unless given.
    """
    while roll_up(organization_id):
        pass
    with tenant_transaction(organization_id), connection.cursor() as cursor:
        rollups = "".join(_ROLLUPS.format(table=level.table) for level in LEVELS)
        cursor.execute(_FIRST_AND_LAST.format(rollups=rollups))
        first, last = cursor.fetchone()
    if first is not None:
        # Before that the clean-up may have taken the points, and not yet their rollups.
        now = timezone.now()
        since_kept = max(now - _COMPARED, telemetry_kept_since(organization_id, now))
        earliest = max(first, since_kept).astimezone(UTC).date()
        day = max(since or earliest, earliest)
        latest = last.astimezone(UTC).date()
        end = min(until or latest, latest)
        while day <= end:
            yield from _faults_of_day(organization_id, day)
            day += _DAY
    with tenant_transaction(organization_id), connection.cursor() as cursor:
        rollups_lock(organization_id, wait=True)
        cursor.execute(_COMPARE_LATEST)
        rows = cursor.fetchall()
    for robot_id, name, newest in rows:
        yield Fault(robot_id, name, "telemetry_latest", newest=newest)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _faults_of_day(organization_id: UUID, day: date) -> Iterator[Fault]:
    for level in LEVELS:
        with tenant_transaction(organization_id), connection.cursor() as cursor:
            rollups_lock(organization_id, wait=True)
            cursor.execute(_comparison(level), _limits(day, level))
            rows = cursor.fetchall()
        for robot_id, name in rows:
            yield Fault(robot_id, name, level.table, day=day)


def _comparison(level: Level) -> str:
    return _COMPARE.format(
        aggregates=", ".join(f"{AGGREGATES[name]} AS {name}" for name in COLUMNS),
        point_columns=POINT_COLUMNS,
        table=level.table,
        wide=repr(WIDE),
    )


def _limits(day: date, level: Level) -> dict[str, Any]:
    start = _midnight(day)
    return {"start": start, "end": start + _DAY, "width": level.seconds}


def rollups_repair(organization_id: UUID, fault: Fault) -> None:
    """Forget what is wrong and make it anew.

    In one transaction: a reader that has looked up what is to be read from points would find
    nothing in between.
    """
    with tenant_transaction(organization_id), connection.cursor() as cursor:
        rollups_lock(organization_id, wait=True)
        values: dict[str, Any] = {"robot": fault.robot_id, "metric": fault.metric_name}
        start = _midnight(fault.day) if fault.day else fault.newest
        end = start and start + (_DAY if fault.day else timedelta(microseconds=1))
        if fault.day is None:
            cursor.execute(
                "DELETE FROM telemetry_latest WHERE robot_id = %(robot)s"
                " AND metric_name = %(metric)s",
                values,
            )
        for level in LEVELS if fault.day else ():
            cursor.execute(
                f"DELETE FROM {level.table} WHERE robot_id = %(robot)s"  # noqa: S608 - constant
                " AND metric_name = %(metric)s AND bucket >= %(start)s AND bucket < %(end)s",
                {**values, "start": start, "end": end},
            )
        if start and end:
            blocks = batches_add_stored(
                [fault.robot_id], start=start, end=end, metrics=[fault.metric_name]
            )
            blocks_roll_up(organization_id, blocks)
