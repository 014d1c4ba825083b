"""The outbox between ingest and the consumers of new points.

Each transaction that stores points also inserts work items into `telemetry_batches`: robots,
metrics and a time range that cover the new points. Rollups and alert rules process these items, and
so can any other consumer that has to see every new point. Each consumer has a column of its own. It
claims items in which the column is empty, and sets it in the transaction of its work.

A cursor by id or time would miss items: transactions do not commit in the order of their ids, so
an item may appear behind any position that was reached before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from uuid import UUID

from django.db import connection

from apps.telemetry.services.ingest.pg_arrays import array_literal

PointKey = tuple[UUID, str, datetime]

# A work item lies within ten minutes, so that consumers read few other points, however far apart
# the points of a batch are.
SLOT_SECONDS = 600

_ENQUEUE = """
    INSERT INTO telemetry_batches
        (organization_id, robot_ids, metric_names, least_time, greatest_time)
    VALUES (%s, %s::uuid[], %s, %s, %s)
"""
# `before` is the cost of the previous items: robots by metrics by minutes. Items with the same
# robots, metrics and minutes, as one sender creates every second, cost as much as one item and are
# claimed together.
_CLAIM = """
    SELECT robot_ids, metric_names, least_time, greatest_time, id
    FROM telemetry_batches
    WHERE {column} IS NULL AND id IN (
        SELECT unnest(ids) FROM (
            SELECT ids, sum(weight) OVER (ORDER BY first_id) - weight AS before FROM (
                SELECT array_agg(id) AS ids, min(id) AS first_id,
                       cardinality(robot_ids)::bigint * cardinality(metric_names)
                       * (1 + extract(epoch FROM until - since)::bigint / 60) AS weight
                FROM (
                    SELECT id, robot_ids, metric_names,
                           date_trunc('minute', least_time) AS since,
                           date_trunc('minute', greatest_time) AS until
                    FROM telemetry_batches WHERE {column} IS NULL ORDER BY id LIMIT %s
                ) AS oldest
                GROUP BY robot_ids, metric_names, since, until
            ) AS weighed
        ) AS counted
        WHERE before < %s
    )
    ORDER BY id
    FOR UPDATE SKIP LOCKED
"""
_ENQUEUE_STORED = """
    INSERT INTO telemetry_batches
        (organization_id, robot_ids, metric_names, least_time, greatest_time)
    SELECT r.organization_id, ARRAY[r.id], array_agg(DISTINCT t.metric_name),
           min(t.time), max(t.time)
    FROM robot_telemetry t
    JOIN robots r ON r.id = t.robot_id
    WHERE t.robot_id = ANY (%(robots)s)
      AND (%(metrics)s::text[] IS NULL OR t.metric_name = ANY (%(metrics)s))
      AND t.time >= %(start)s AND t.time < %(end)s
    GROUP BY r.organization_id, r.id, time_bucket(%(slot)s * interval '1 second', t.time)
    RETURNING robot_ids, metric_names, least_time, greatest_time, id
"""
_GET = """
    SELECT robot_ids, metric_names, least_time, greatest_time, id
    FROM telemetry_batches WHERE id = ANY (%s) ORDER BY id
"""
_ACKNOWLEDGE = "UPDATE telemetry_batches SET {column} = now() WHERE id = ANY (%s)"


class Consumer(Enum):
    """A consumer of new points, by its column in `telemetry_batches`.

    A new consumer needs a column and an index like that of the first one. The SQL function
    `telemetry_batches_clean_up()` deletes the rows in which every column is set.
    """

    ROLLED_UP = "rolled_up_at"
    EVALUATED = "evaluated_at"


@dataclass(frozen=True)
class WorkItem:
    """New points of robots and metrics, from `least_time` to `greatest_time`.

    The work items of a transaction cover all of its new points. Each robot of an item has a new
    point of each of its metrics. Both times lie in the same ten minutes.
    """

    robot_ids: list[UUID]
    metric_names: list[str]
    least_time: datetime
    greatest_time: datetime
    id: int = 0


def pending_work_enqueue(organization_id: UUID, keys: Collection[PointKey]) -> None:
    """Enqueue new points for the consumers, in the transaction that stores them.

    Args:
        organization_id: Organization that owns the robots.
        keys: Robot, metric and time of each stored point, in any order.
    """
    rows = [
        (
            organization_id,
            array_literal(item.robot_ids),
            item.metric_names,
            item.least_time,
            item.greatest_time,
        )
        for item in work_items_for(keys)
    ]
    with connection.cursor() as cursor:
        if len(rows) == 1:
            cursor.execute(_ENQUEUE, rows[0])
        elif rows:
            cursor.executemany(_ENQUEUE, rows)


def pending_work_enqueue_stored(
    robot_ids: Collection[UUID],
    *,
    start: datetime,
    end: datetime,
    metrics: Collection[str] | None = None,
) -> list[WorkItem]:
    """Enqueue points stored without ingest; return the work items.

    Args:
        robot_ids: Robots to which the points belong.
        start: Start of the time range.
        end: End of the time range, exclusive.
        metrics: Metrics to include; all by default.
    """
    values = {
        "robots": list(robot_ids),
        "metrics": None if metrics is None else list(metrics),
        "start": start,
        "end": end,
        "slot": SLOT_SECONDS,
    }
    with connection.cursor() as cursor:
        cursor.execute(_ENQUEUE_STORED, values)
        return [WorkItem(*row) for row in cursor.fetchall()]


def work_items_get(ids: Collection[int]) -> list[WorkItem]:
    """Return work items that this transaction has inserted."""
    with connection.cursor() as cursor:
        cursor.execute(_GET, [list(ids)])
        return [WorkItem(*row) for row in cursor.fetchall()]


def work_items_for(keys: Collection[PointKey]) -> Iterator[WorkItem]:
    """Yield the work items that cover the points: one for most batches."""
    if not keys:
        return
    times = [key[2] for key in keys]
    first, last = min(times), max(times)
    if _slot(first) == _slot(last):
        yield from _group_by_metrics(keys, first, last)
        return
    slots: defaultdict[int, list[PointKey]] = defaultdict(list)
    for key in keys:
        slots[_slot(key[2])].append(key)
    for members in slots.values():
        times = [key[2] for key in members]
        yield from _group_by_metrics(members, min(times), max(times))


def _slot(time: datetime) -> int:
    return int(time.timestamp() // SLOT_SECONDS)


def _group_by_metrics(
    keys: Iterable[PointKey], first: datetime, last: datetime
) -> Iterator[WorkItem]:
    """Yield a work item for all robots with the same metrics."""
    metrics: defaultdict[UUID, set[str]] = defaultdict(set)
    for robot_id, metric_name, _ in keys:
        metrics[robot_id].add(metric_name)
    robots: defaultdict[frozenset[str], list[UUID]] = defaultdict(list)
    for robot_id, metric_names in metrics.items():
        robots[frozenset(metric_names)].append(robot_id)
    for names, robot_ids in robots.items():
        yield WorkItem(robot_ids, sorted(names), first, last)


def pending_work_claim(
    consumer: Consumer, *, max_items: int = 2000, max_weight: int = 50_000
) -> list[WorkItem]:
    """Return unprocessed work items, oldest first, locked until the transaction ends.

    Two workers never get the same item: items that another worker has locked are skipped. The
    consumer acknowledges them in the same transaction; after a rollback they can be claimed again.

    Args:
        consumer: Consumer that processes the items.
        max_items: Maximum number of items.
        max_weight: Stop once the robots by metrics by minutes of the previous items reach this.
            Items with the same robots, metrics and minutes count once.
    """
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM.format(column=consumer.value), [max_items, max_weight])
        return [WorkItem(*row) for row in cursor.fetchall()]


def pending_work_acknowledge(consumer: Consumer, items: Iterable[WorkItem]) -> None:
    """Acknowledge work items that the consumer claimed in this transaction."""
    with connection.cursor() as cursor:
        cursor.execute(_ACKNOWLEDGE.format(column=consumer.value), [[item.id for item in items]])


_ORGANIZATIONS = {
    Consumer.ROLLED_UP: "SELECT * FROM telemetry_batch_organizations()",
    Consumer.EVALUATED: "SELECT * FROM telemetry_batch_organizations_to_evaluate()",
}


def organizations_with_pending_work(consumer: Consumer = Consumer.ROLLED_UP) -> list[UUID]:
    """Return the organizations with work items for a consumer.

    Needs no tenant transaction.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ORGANIZATIONS[consumer])
        return [row[0] for row in cursor.fetchall()]


def pending_work_clean_up() -> int:
    """Delete the work items that every consumer has acknowledged; return their number."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT telemetry_batches_clean_up()")
        return int(cursor.fetchone()[0])
