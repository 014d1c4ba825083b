"""What has been stored and not yet been worked on: the queue between ingest and its consumers.

Each transaction that stores points says in rows of `telemetry_batches` which ones: blocks of
robots, metrics and a stretch of time that hold all of them. Rollups work through these rows, and
so can anything else that has to see every new point, such as rules: each consumer has a column of
its own, claims rows in which it is empty, and fills it in the transaction of its work.

Never remember a number or a time instead. Transactions do not commit in the order in which they
take their numbers, so a row may appear behind any place that was reached before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from uuid import UUID

from django.db import connection

from apps.telemetry.services.ingest.pg_arrays import array_text

Key = tuple[UUID, str, datetime]

# A block lies within ten minutes, so that little beside its own points has to be looked at, however
# far apart the points of a batch are.
SLOT_SECONDS = 600

_ADD = """
    INSERT INTO telemetry_batches
        (organization_id, robot_ids, metric_names, least_time, greatest_time)
    VALUES (%s, %s::uuid[], %s, %s, %s)
"""
# `before` is what the rows ahead cost: robots by metrics by minutes. Rows of the same robots,
# metrics and minutes, as one sender makes them every second, cost as much as one and go together.
_CLAIM = """
    SELECT robot_ids, metric_names, least_time, greatest_time, id
    FROM telemetry_batches
    WHERE {mark} IS NULL AND id IN (
        SELECT unnest(ids) FROM (
            SELECT ids, sum(weight) OVER (ORDER BY first_id) - weight AS before FROM (
                SELECT array_agg(id) AS ids, min(id) AS first_id,
                       cardinality(robot_ids)::bigint * cardinality(metric_names)
                       * (1 + extract(epoch FROM until - since)::bigint / 60) AS weight
                FROM (
                    SELECT id, robot_ids, metric_names,
                           date_trunc('minute', least_time) AS since,
                           date_trunc('minute', greatest_time) AS until
                    FROM telemetry_batches WHERE {mark} IS NULL ORDER BY id LIMIT %s
                ) AS oldest
                GROUP BY robot_ids, metric_names, since, until
            ) AS weighed
        ) AS counted
        WHERE before < %s
    )
    ORDER BY id
    FOR UPDATE SKIP LOCKED
"""
_ADD_STORED = """
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
_MARK = "UPDATE telemetry_batches SET {mark} = now() WHERE id = ANY (%s)"


class Mark(Enum):
    """The column that a consumer fills; a new consumer gets one, with an index like the first's.

    `telemetry_batches_clean_up()` in the database deletes rows in which all are filled.
    """

    ROLLED_UP = "rolled_up_at"


@dataclass(frozen=True)
class Block:
    """New points: some of these metrics, of these robots, from `least_time` to `greatest_time`.

    Every new point of its transaction lies in one of its blocks. Each robot of a block has a new
    point of each of its metrics; both times lie in the same ten minutes.
    """

    robot_ids: list[UUID]
    metric_names: list[str]
    least_time: datetime
    greatest_time: datetime
    id: int = 0


def batches_add(organization_id: UUID, keys: Collection[Key]) -> None:
    """Tell the consumers of points; call it in the transaction that stores them.

    Args:
        organization_id: Whose points they are.
        keys: Robot, metric and time of each stored point, in any order.
    """
    rows = [
        (
            organization_id,
            array_text(block.robot_ids),
            block.metric_names,
            block.least_time,
            block.greatest_time,
        )
        for block in blocks_of(keys)
    ]
    with connection.cursor() as cursor:
        if len(rows) == 1:
            cursor.execute(_ADD, rows[0])
        elif rows:
            cursor.executemany(_ADD, rows)


def batches_add_stored(
    robot_ids: Collection[UUID],
    *,
    start: datetime,
    end: datetime,
    metrics: Collection[str] | None = None,
) -> list[Block]:
    """Tell the consumers of points that were stored by other ways than ingest; return how.

    Args:
        robot_ids: Of these robots.
        start: From this time on.
        end: Before this time.
        metrics: Of these metrics alone.
    """
    values = {
        "robots": list(robot_ids),
        "metrics": None if metrics is None else list(metrics),
        "start": start,
        "end": end,
        "slot": SLOT_SECONDS,
    }
    with connection.cursor() as cursor:
        cursor.execute(_ADD_STORED, values)
        return [Block(*row) for row in cursor.fetchall()]


def blocks_of(keys: Collection[Key]) -> Iterator[Block]:
    """Yield the blocks that hold the points: one, for most batches."""
    if not keys:
        return
    times = [key[2] for key in keys]
    least, greatest = min(times), max(times)
    if _slot(least) == _slot(greatest):
        yield from _alike(keys, least, greatest)
        return
    slots: defaultdict[int, list[Key]] = defaultdict(list)
    for key in keys:
        slots[_slot(key[2])].append(key)
    for members in slots.values():
        times = [key[2] for key in members]
        yield from _alike(members, min(times), max(times))


def _slot(time: datetime) -> int:
    return int(time.timestamp() // SLOT_SECONDS)


def _alike(keys: Iterable[Key], least: datetime, greatest: datetime) -> Iterator[Block]:
    """Yield a block for each set of robots that sent the same metrics."""
    metrics: defaultdict[UUID, set[str]] = defaultdict(set)
    for robot_id, metric_name, _ in keys:
        metrics[robot_id].add(metric_name)
    robots: defaultdict[frozenset[str], list[UUID]] = defaultdict(list)
    for robot_id, names in metrics.items():
        robots[frozenset(names)].append(robot_id)
    for same, robot_ids in robots.items():
        yield Block(robot_ids, sorted(same), least, greatest)


def batches_claim(mark: Mark, *, rows: int = 2000, weight: int = 50_000) -> list[Block]:
    """Return blocks that nobody has marked, the oldest first, locked until the transaction ends.

    Two workers never get the same block: rows that another one holds are left out. Whoever
    claims marks them in the same transaction; if that is rolled back, they are free again.

    Args:
        mark: For which consumer.
        rows: At most so many.
        weight: No more once the robots by metrics by minutes of those before reach this; those of
            the same robots, metrics and minutes count once.
    """
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM.format(mark=mark.value), [rows, weight])
        return [Block(*row) for row in cursor.fetchall()]


def batches_mark(mark: Mark, blocks: Iterable[Block]) -> None:
    """Say that a consumer is done with blocks that it claimed in this transaction."""
    with connection.cursor() as cursor:
        cursor.execute(_MARK.format(mark=mark.value), [[block.id for block in blocks]])


def batch_organizations() -> list[UUID]:
    """Return the organizations that have blocks; needs no tenant transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM telemetry_batch_organizations()")
        return [row[0] for row in cursor.fetchall()]


def batches_clean_up() -> int:
    """Delete the blocks that every consumer is done with; return how many those were."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT telemetry_batches_clean_up()")
        return int(cursor.fetchone()[0])
