"""Points added up by minute, hour and day, and the newest of each series, kept as points come in.

A bucket is never added to: it is worked out anew from the points that it holds, so doing it twice
changes nothing, late points need no care, and work that is cut short leaves what was there. One
worker at a time works for an organization, because the one that looked first must not write last.
Until a batch is marked as rolled up, selectors read the points that it touches themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import OperationalError, connection, transaction
from psycopg.errors import LockNotAvailable

from apps.telemetry.models.rollups import (
    AGGREGATES,
    COLUMNS,
    DAYS,
    HOURS,
    MINUTES,
    POINT_COLUMNS,
    Level,
)
from apps.telemetry.services.pending_work import (
    SLOT_SECONDS,
    Block,
    Mark,
    batches_claim,
    batches_mark,
)
from urfmp.common.tenancy.context import tenant_transaction

_AGGREGATES = ", ".join(AGGREGATES[name] for name in COLUMNS)
# The series that blocks touch, with the whole buckets that hold their new points. A block lies in
# one slot of ten minutes, so that what is listed of a series does not overlap.
_TOUCHED = f"""
    SELECT robot.id AS robot_id, metric.name AS metric_name,
           min(time_bucket(%(width)s * interval '1 second', b.least_time)) AS least,
           max(time_bucket(%(width)s * interval '1 second', b.greatest_time))
               + %(width)s * interval '1 second' AS until
    FROM telemetry_batches b
    CROSS JOIN unnest(b.robot_ids) AS robot (id)
    CROSS JOIN unnest(b.metric_names) AS metric (name)
    WHERE b.id = ANY (%(blocks)s)
    GROUP BY 1, 2,
        time_bucket(greatest(%(width)s, {SLOT_SECONDS}) * interval '1 second', b.least_time)
"""  # noqa: S608 - constants
# A day's blocks at a time, with its limits written out, so that only chunks of that day are planned
# for and looked at. OFFSET 0 keeps it one look into an index for each series: how many there are
# the planner cannot know.
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
          FROM ({_TOUCHED}) AS touched GROUP BY 1, 2) AS w
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


def _upsert(level: Level, source: str) -> str:
    return _UPSERT.format(
        table=level.table,
        columns=", ".join(COLUMNS),
        aggregates=_AGGREGATES,
        touched=_TOUCHED,
        source=source,
        excluded=", ".join(f"excluded.{name}" for name in COLUMNS),
        old=", ".join(f"old.{name}" for name in COLUMNS),
    )


def _from(level: Level) -> str:
    return _FROM_BUCKETS.format(
        table=level.table, columns=", ".join(f"t.{name}" for name in COLUMNS)
    )


_STATEMENTS = (
    (MINUTES, _upsert(MINUTES, _FROM_POINTS)),
    (HOURS, _upsert(HOURS, _from(MINUTES))),
    (DAYS, _upsert(DAYS, _from(HOURS))),
)


def roll_up(organization_id: UUID, *, rows: int = 2000, weight: int = 50_000) -> int:
    """Roll up some of an organization's new points, in one transaction.

    Nothing is done while another worker does the same and takes longer than a second.

    Args:
        organization_id: Whose.
        rows: Of at most so many blocks.
        weight: No more blocks once those before touch so many buckets of a minute.

    Returns:
        How many blocks it was.
    """
    with tenant_transaction(organization_id):
        if not rollups_lock(organization_id, wait=False):
            return 0
        blocks = batches_claim(Mark.ROLLED_UP, rows=rows, weight=weight)
        blocks_roll_up(organization_id, blocks)
        return len(blocks)


def rollups_lock(organization_id: UUID, *, wait: bool) -> bool:
    """Be the only one to write an organization's rollups until the transaction ends.

    What is read after this sees all that the holder before has written. Whoever waits has its
    turn before those that come later.

    Args:
        organization_id: Whose.
        wait: Until it is free; otherwise tell whether it was within a second. Retention and checks
            take it again as soon as they have given it back, and are free for an instant only.
    """
    statement = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            if not wait:
                cursor.execute("SET LOCAL lock_timeout TO '1s'")
            cursor.execute(statement, [f"telemetry-rollups:{organization_id}"])
            if not wait:
                cursor.execute("SET LOCAL lock_timeout TO DEFAULT")
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable):
            return False
        raise
    return True


def blocks_roll_up(organization_id: UUID, blocks: Collection[Block]) -> None:
    """Roll up these blocks and mark them; the open transaction holds `rollups_lock()` and them."""
    days: defaultdict[date, list[Block]] = defaultdict(list)
    for block in blocks:
        days[block.least_time.astimezone(UTC).date()].append(block)
    with connection.cursor() as cursor:
        for day, members in sorted(days.items()):
            start = datetime(day.year, day.month, day.day, tzinfo=UTC)
            values: dict[str, Any] = {
                "organization": organization_id,
                "blocks": [block.id for block in members],
                "start": start,
                "end": start + timedelta(days=1),
            }
            for level, statement in _STATEMENTS:
                cursor.execute(statement, {**values, "width": level.seconds})
            cursor.execute(_LATEST, {**values, "width": MINUTES.seconds})
    batches_mark(Mark.ROLLED_UP, blocks)
