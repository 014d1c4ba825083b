"""Compare rollups and latest values with the points, and repair mismatches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from apps.telemetry.models.rollups import (
    AGGREGATES,
    COLUMNS,
    LEVELS,
    POINT_COLUMNS,
    WIDE_SCALE,
    RollupLevel,
)
from apps.telemetry.selectors.retention_limit import telemetry_kept_since
from apps.telemetry.services.pending_work import pending_work_enqueue_stored
from apps.telemetry.services.rollups import roll_up, rollups_lock, work_items_roll_up
from urfmp.common.tenancy.context import tenant_transaction

_ONE_DAY = timedelta(days=1)
# The oldest day that is kept may have lost some points with their chunk.
_MAX_AGE = timedelta(days=363)

# Sums are compared with a tolerance for the order of addition. Series with pending work are
# skipped, because they are not rolled up yet.
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
# Of points and rollups: a rollup without points is wrong as well.
_TIME_RANGE = """
    SELECT min(bounds.least), max(bounds.greatest) FROM (
        SELECT (SELECT t.time FROM robot_telemetry t WHERE t.robot_id = r.id
                ORDER BY t.time LIMIT 1) AS least,
               (SELECT t.time FROM robot_telemetry t WHERE t.robot_id = r.id
                ORDER BY t.time DESC LIMIT 1) AS greatest
        FROM robots r
        {rollups}
    ) AS bounds
"""
_ROLLUP_TIME_RANGE = """
        UNION ALL SELECT min(k.bucket), max(k.bucket) FROM {table} k
        WHERE k.robot_id IN (SELECT id FROM robots)
"""


@dataclass(frozen=True)
class RollupMismatch:
    """A series whose rollups or latest value differ from its points.

    Attributes:
        robot_id: Robot of the series.
        metric_name: Metric of the series.
        table: Table that has the mismatch.
        day: For a rollup: the day, UTC.
        newest: For a latest value: the time of the newest point, if there is one.
    """

    robot_id: UUID
    metric_name: str
    table: str
    day: date | None = None
    newest: datetime | None = None


def rollups_check(
    organization_id: UUID, *, since: date | None = None, until: date | None = None
) -> Iterator[RollupMismatch]:
    """Yield mismatches of rollups, day by day, then of latest values.

    Rolls up pending work first. Points that arrive in the meantime are left out.

    Args:
        organization_id: Organization that owns the robots.
        since: First day; by default the first one with points or rollups.
        until: Last day; by default the last one with points or rollups.
    """
    while roll_up(organization_id):
        pass
    with tenant_transaction(organization_id), connection.cursor() as cursor:
        rollups = "".join(_ROLLUP_TIME_RANGE.format(table=level.table) for level in LEVELS)
        cursor.execute(_TIME_RANGE.format(rollups=rollups))
        first, last = cursor.fetchone()
    if first is not None:
        # Retention may have deleted older points and not yet their rollups.
        now = timezone.now()
        since_kept = max(now - _MAX_AGE, telemetry_kept_since(organization_id, now))
        earliest = max(first, since_kept).astimezone(UTC).date()
        day = max(since or earliest, earliest)
        latest = last.astimezone(UTC).date()
        end = min(until or latest, latest)
        while day <= end:
            yield from _mismatches_on_day(organization_id, day)
            day += _ONE_DAY
    with tenant_transaction(organization_id), connection.cursor() as cursor:
        rollups_lock(organization_id, wait=True)
        cursor.execute(_COMPARE_LATEST)
        rows = cursor.fetchall()
    for robot_id, name, newest in rows:
        yield RollupMismatch(robot_id, name, "telemetry_latest", newest=newest)


def _start_of_day(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _mismatches_on_day(organization_id: UUID, day: date) -> Iterator[RollupMismatch]:
    for level in LEVELS:
        with tenant_transaction(organization_id), connection.cursor() as cursor:
            rollups_lock(organization_id, wait=True)
            cursor.execute(_comparison(level), _parameters(day, level))
            rows = cursor.fetchall()
        for robot_id, name in rows:
            yield RollupMismatch(robot_id, name, level.table, day=day)


def _comparison(level: RollupLevel) -> str:
    return _COMPARE.format(
        aggregates=", ".join(f"{AGGREGATES[name]} AS {name}" for name in COLUMNS),
        point_columns=POINT_COLUMNS,
        table=level.table,
        wide=repr(WIDE_SCALE),
    )


def _parameters(day: date, level: RollupLevel) -> dict[str, Any]:
    start = _start_of_day(day)
    return {"start": start, "end": start + _ONE_DAY, "width": level.seconds}


def rollups_repair(organization_id: UUID, mismatch: RollupMismatch) -> None:
    """Delete the wrong rows and recompute them.

    In one transaction: a concurrent reader, who has determined which ranges to read from rollups,
    would find nothing in between.
    """
    with tenant_transaction(organization_id), connection.cursor() as cursor:
        rollups_lock(organization_id, wait=True)
        values: dict[str, Any] = {"robot": mismatch.robot_id, "metric": mismatch.metric_name}
        start = _start_of_day(mismatch.day) if mismatch.day else mismatch.newest
        end = start and start + (_ONE_DAY if mismatch.day else timedelta(microseconds=1))
        if mismatch.day is None:
            cursor.execute(
                "DELETE FROM telemetry_latest WHERE robot_id = %(robot)s"
                " AND metric_name = %(metric)s",
                values,
            )
        for level in LEVELS if mismatch.day else ():
            cursor.execute(
                f"DELETE FROM {level.table} WHERE robot_id = %(robot)s"  # noqa: S608 - constant
                " AND metric_name = %(metric)s AND bucket >= %(start)s AND bucket < %(end)s",
                {**values, "start": start, "end": end},
            )
        if start and end:
            items = pending_work_enqueue_stored(
                [mismatch.robot_id], start=start, end=end, metrics=[mismatch.metric_name]
            )
            work_items_roll_up(organization_id, items)
