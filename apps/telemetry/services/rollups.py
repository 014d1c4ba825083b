"""Maintain rollups by minute, hour and day, and latest values.

A bucket is always recomputed from all of its points. So a repeated run changes nothing, late
points need no special handling, and an interrupted run leaves the previous state. Only one worker
at a time processes an organization: otherwise the one that read first might write last. Until a
work item is acknowledged, selectors read the points that it covers instead of rollups.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from apps.telemetry.models.rollups import (
    AGGREGATES,
    COLUMNS,
    DAYS,
    HOURS,
    LEVELS,
    MINUTES,
    POINT_COLUMNS,
    RollupLevel,
)
from apps.telemetry.services.pending_work import (
    SLOT_SECONDS,
    Consumer,
    WorkItem,
    pending_work_acknowledge,
    pending_work_claim,
)
from urfmp.common.db.locks import advisory_lock, advisory_lock_within_second
from urfmp.common.tenancy.context import tenant_transaction

_AGGREGATES = ", ".join(AGGREGATES[name] for name in COLUMNS)
# The series of work items, with the range of whole buckets that contain their new points. A work
# item lies in one slot of ten minutes, so the ranges of a series do not overlap.
_AFFECTED_SERIES = f"""
    SELECT robot.id AS robot_id, metric.name AS metric_name,
           min(time_bucket(%(width)s * interval '1 second', b.least_time)) AS least,
           max(time_bucket(%(width)s * interval '1 second', b.greatest_time))
               + %(width)s * interval '1 second' AS until
    FROM telemetry_batches b
    CROSS JOIN unnest(b.robot_ids) AS robot (id)
    CROSS JOIN unnest(b.metric_names) AS metric (name)
    WHERE b.id = ANY (%(items)s)
    GROUP BY 1, 2,
        time_bucket(greatest(%(width)s, {SLOT_SECONDS}) * interval '1 second', b.least_time)
"""  # noqa: S608 - constants
# One day at a time, with its limits in the statement, so that the planner only considers chunks of
# that day. OFFSET 0 forces one index scan for each series, whose number the planner cannot know.
_FROM_POINTS = f"""
    SELECT {POINT_COLUMNS}
    FROM robot_telemetry t
    WHERE t.robot_id = w.robot_id AND t.metric_name = w.metric_name
      AND t.time >= w.least AND t.time < w.until
      AND t.time >= %(start)s AND t.time < %(end)s AND t.value IS NOT NULL
    OFFSET 0
"""  # noqa: S608 - constants
_FROM_BUCKETS = """
    SELECT {columns}
    FROM {table} t
    WHERE t.robot_id = w.robot_id AND t.metric_name = w.metric_name
      AND t.bucket >= w.least AND t.bucket < w.until
      AND t.bucket >= %(start)s AND t.bucket < %(end)s
    OFFSET 0
"""
_UPSERT = """
    INSERT INTO {table} AS old (robot_id, metric_name, bucket, {columns})
    SELECT w.robot_id, w.metric_name,
           time_bucket(%(width)s * interval '1 second', p.first_at), {aggregates}
    FROM ({touched}) AS w
    CROSS JOIN LATERAL ({source}) AS p
    GROUP BY 1, 2, 3
    ORDER BY 1, 2, 3
    ON CONFLICT (robot_id, metric_name, bucket)
    DO UPDATE SET ({columns}) = ROW ({excluded})
    WHERE ({old}) IS DISTINCT FROM ({excluded})
"""
_LATEST = f"""
    INSERT INTO telemetry_latest AS old
        (organization_id, robot_id, metric_name, time, value, unit)
    SELECT %(organization)s, w.robot_id, w.metric_name, newest.time, newest.value, newest.unit
    FROM (SELECT robot_id, metric_name, min(least) AS least, max(until) AS until
          FROM ({_AFFECTED_SERIES}) AS touched GROUP BY 1, 2) AS w
    CROSS JOIN LATERAL (
        SELECT t.time, t.value, t.unit FROM robot_telemetry t
        WHERE t.robot_id = w.robot_id AND t.metric_name = w.metric_name
          AND t.time >= w.least AND t.time < w.until
          AND t.time >= %(start)s AND t.time < %(end)s
        ORDER BY t.time DESC LIMIT 1
    ) AS newest
    ORDER BY w.robot_id, w.metric_name
    ON CONFLICT (robot_id, metric_name)
    DO UPDATE SET time = excluded.time, value = excluded.value, unit = excluded.unit
    WHERE excluded.time > old.time
"""  # noqa: S608 - constants


def _upsert(level: RollupLevel, source: str) -> str:
    return _UPSERT.format(
        table=level.table,
        columns=", ".join(COLUMNS),
        aggregates=_AGGREGATES,
        touched=_AFFECTED_SERIES,
        source=source,
        excluded=", ".join(f"excluded.{name}" for name in COLUMNS),
        old=", ".join(f"old.{name}" for name in COLUMNS),
    )


def _from_buckets(level: RollupLevel) -> str:
    return _FROM_BUCKETS.format(
        table=level.table, columns=", ".join(f"t.{name}" for name in COLUMNS)
    )


# Of the buckets that contain points of the work items.
_DELETE_BUCKETS = """
    DELETE FROM {table} k
    USING ({touched}) AS w
    WHERE k.robot_id = w.robot_id AND k.metric_name = w.metric_name
      AND k.bucket >= w.least AND k.bucket < w.until
      AND k.bucket >= %(start)s AND k.bucket < %(end)s
"""

_STATEMENTS = (
    (MINUTES, _upsert(MINUTES, _FROM_POINTS)),
    (HOURS, _upsert(HOURS, _from_buckets(MINUTES))),
    (DAYS, _upsert(DAYS, _from_buckets(HOURS))),
)
_DELETE_STATEMENTS = tuple(
    (level, _DELETE_BUCKETS.format(table=level.table, touched=_AFFECTED_SERIES)) for level in LEVELS
)


def roll_up(organization_id: UUID, *, max_items: int = 2000, max_weight: int = 50_000) -> int:
    """Roll up some of an organization's new points, in one transaction.

    Does nothing if another worker holds the lock for longer than a second.

    Args:
        organization_id: Organization that owns the points.
        max_items: Maximum number of work items.
        max_weight: Claim no more work items once the previous ones touch this many minute buckets.

    Returns:
        The number of processed work items.
    """
    with tenant_transaction(organization_id):
        if not rollups_lock(organization_id, wait=False):
            return 0
        items = pending_work_claim(Consumer.ROLLED_UP, max_items=max_items, max_weight=max_weight)
        work_items_roll_up(organization_id, items)
        return len(items)


def rollups_lock(organization_id: UUID, *, wait: bool) -> bool:
    """Lock an organization's rollups until the transaction ends.

    Reads after this see everything that the previous holder has written. Waiting transactions
    acquire the lock in the order of their arrival.

    Args:
        organization_id: Organization to which the rollups belong.
        wait: Wait until the lock is free. Otherwise wait for a second and return whether it was
            acquired. Retention and checks release the lock only for an instant before they
            acquire it again, so a shorter wait would starve.
    """
    name = f"telemetry-rollups:{organization_id}"
    if not wait:
        return advisory_lock_within_second(name)
    advisory_lock(name)
    return True


def work_items_roll_up(organization_id: UUID, items: Collection[WorkItem]) -> None:
    """Roll up work items and acknowledge them.

    The open transaction has claimed the items and holds `rollups_lock()`.
    """
    with connection.cursor() as cursor:
        for values in _parameters_by_day(organization_id, items):
            for level, statement in _STATEMENTS:
                cursor.execute(statement, {**values, "width": level.seconds})
            cursor.execute(_LATEST, {**values, "width": MINUTES.seconds})
    pending_work_acknowledge(Consumer.ROLLED_UP, items)


def work_items_rebuild(organization_id: UUID, items: Collection[WorkItem]) -> None:
    """Roll up work items of corrected points and acknowledge them.

    Buckets that have no points left are deleted. The open transaction holds `rollups_lock()`. The
    latest values are left to the caller, because they may have become older.
    """
    with connection.cursor() as cursor:
        for values in _parameters_by_day(organization_id, items):
            for level, statement in _DELETE_STATEMENTS:
                cursor.execute(statement, {**values, "width": level.seconds})
    work_items_roll_up(organization_id, items)


def _parameters_by_day(
    organization_id: UUID, items: Collection[WorkItem]
) -> Iterator[dict[str, Any]]:
    """Yield the parameters of the statements for each day (UTC)."""
    days: defaultdict[date, list[int]] = defaultdict(list)
    for item in items:
        days[item.least_time.astimezone(UTC).date()].append(item.id)
    for day, ids in sorted(days.items()):
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        yield {
            "organization": organization_id,
            "items": ids,
            "start": start,
            "end": start + timedelta(days=1),
        }
