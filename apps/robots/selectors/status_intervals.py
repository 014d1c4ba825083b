"""Queries of the status history: time in state and timelines.

A status interval is an uninterrupted time in one status; the API names it a spell.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from apps.robots.exceptions import InvalidRangeError
from apps.robots.selectors.availability import STATUS_SEVERITY, StatusSummary, TimeInStatus
from urfmp.common.time.local import day_limits

# The status history is kept for two years.
MAX_RANGE = timedelta(days=732)
MAX_INTERVALS = 1_000

# The policy on `robots` restricts the robots.
_ROBOTS_SQL = "(SELECT id FROM robots WHERE id = ANY (%(robots)s) OFFSET 0) AS asked"
# A robot's changes in [start, end), and the last one before, whose status is that of the start. One
# index scan for each robot returns its changes in order, so nothing is sorted.
_CHANGES_SQL = """
    (
        (SELECT h.time, h.status, h.reason FROM robot_status_history h
         WHERE h.robot_id = asked.id AND h.time <= %(start)s
         ORDER BY h.time DESC LIMIT 1)
        UNION ALL
        (SELECT h.time, h.status, h.reason FROM robot_status_history h
         WHERE h.robot_id = asked.id AND h.time > %(start)s AND h.time < %(end)s
         ORDER BY h.time)
    ) AS c
"""
# An interval lasts until the next change, the last one until the end. Texts are compared by their
# bytes, which is faster.
_INTERVAL_SQL = """
    SELECT c.status COLLATE "C" AS status, greatest(c.time, %(start)s) AS begins,
           lead(c.time, 1, %(end)s) OVER (ORDER BY c.time) AS ends
"""
# Added up robot by robot, which is a quarter faster than all intervals at once.
_TOTALS_SQL = f"""
    {_ROBOTS_SQL} CROSS JOIN LATERAL (
        SELECT status, sum(ends - begins) AS time, count(*) AS count
        FROM ({_INTERVAL_SQL} FROM {_CHANGES_SQL}) AS i
        GROUP BY status
    ) AS t
"""  # noqa: S608 - constants
_BY_STATUS_SQL = f"""
    SELECT t.status, sum(t.time), sum(t.count)::bigint FROM {_TOTALS_SQL} GROUP BY 1
"""  # noqa: S608 - constants
_BY_ROBOT_SQL = f"SELECT asked.id, t.status, t.time, t.count FROM {_TOTALS_SQL}"  # noqa: S608
# The running time of each measurement: a robot from a time of its own until the end.
_RUNNING_SECONDS_SQL = f"""
    SELECT asked.key, coalesce(t.seconds, 0)::bigint
    FROM (
        SELECT m.* FROM unnest(%(keys)s::uuid[], %(robots)s::uuid[], %(starts)s::timestamptz[])
            AS m (key, id, start)
        WHERE m.id IN (SELECT id FROM robots) OFFSET 0
    ) AS asked CROSS JOIN LATERAL (
        SELECT extract(epoch FROM sum(ends - begins)) AS seconds
        FROM ({_INTERVAL_SQL} FROM {_CHANGES_SQL}) AS i
        WHERE status = 'running'
    ) AS t
""".replace("%(start)s", "asked.start")  # noqa: S608 - constants
# An interval counts in each day that it overlaps; the last column counts it where it begins. Few
# intervals overlap several days, and only they are cut.
_BY_DAY_SQL = f"""
    SELECT t.day, t.status, sum(t.time), sum(t.count)::bigint, sum(t.begun)::bigint
    FROM {_ROBOTS_SQL} CROSS JOIN LATERAL (
        WITH i AS MATERIALIZED (
            SELECT *, width_bucket(begins, %(limits)s::timestamptz[]) AS first,
                   width_bucket(ends - interval '1 microsecond', %(limits)s::timestamptz[]) AS last
            FROM ({_INTERVAL_SQL} FROM {_CHANGES_SQL}) AS i
        )
        SELECT first AS day, status, sum(ends - begins) AS time, count(*) AS count,
               count(*) AS begun
        FROM i WHERE first = last GROUP BY 1, 2
        UNION ALL
        SELECT day, status,
               least(ends, (%(limits)s::timestamptz[])[day + 1])
                   - greatest(begins, (%(limits)s::timestamptz[])[day]),
               1, (day = first)::int
        FROM i CROSS JOIN LATERAL generate_series(first, last) AS day WHERE first < last
    ) AS t
    GROUP BY 1, 2
"""  # noqa: S608 - constants
# Short intervals that begin in the same slot are merged. A long interval does not fit between two
# short intervals of one slot, so a merged interval has no gap.
_MERGED_INTERVALS_SQL = f"""
    WITH intervals AS (
        SELECT asked.id AS robot_id, i.*
        FROM {_ROBOTS_SQL} CROSS JOIN LATERAL (
            {_INTERVAL_SQL}, c.reason COLLATE "C" AS reason, count(*) OVER () AS total
            FROM {_CHANGES_SQL}
            OFFSET 0
        ) AS i
    ),
    cut AS (
        SELECT *, CASE
            WHEN total <= %(max_intervals)s OR ends - begins >= %(slot)s THEN NULL
            ELSE floor(date_part('epoch', begins - %(start)s) / date_part('epoch', %(slot)s))
        END AS slot
        FROM intervals
    ),
    added AS (
        SELECT robot_id, slot, CASE WHEN slot IS NULL THEN begins END AS alone, status,
               min(begins) AS begins, max(ends) AS ends, sum(ends - begins) AS time,
               count(*) AS count, min(reason) AS reason
        FROM cut GROUP BY 1, 2, 3, 4
    )
    SELECT robot_id, min(begins), max(ends), array_agg(status ORDER BY time DESC, status),
           sum(count)::int, min(reason)
    FROM added GROUP BY robot_id, slot, alone
    ORDER BY robot_id, min(begins)
"""  # noqa: S608 - constants
_SEVERITY_RANK = {status.value: rank for rank, status in enumerate(STATUS_SEVERITY)}


@dataclass(frozen=True)
class StatusInterval:
    """One status interval of a robot, or several short ones merged.

    Attributes:
        status: Status of the interval, the most severe one if merged; empty if unknown.
        start: Start of the interval, not before the range.
        end: End of the interval, not after the range.
        spells: Number of intervals, more than one if merged; the field's name in the API.
        statuses: All statuses in the interval, the longest first.
        reason: Reason of the status change; None if merged.
    """

    status: str
    start: datetime
    end: datetime
    spells: int = 1
    statuses: tuple[str, ...] = ()
    reason: str | None = None


@dataclass(frozen=True)
class TimeRange:
    """A valid range of past time."""

    start: datetime
    end: datetime

    @classmethod
    def of(cls, start: datetime, end: datetime) -> TimeRange:
        """Return the range, with an end in the future cut to now.

        Raises:
            InvalidRangeError: The range is empty, in the future or longer than two years.
        """
        now = timezone.now()
        if not start < min(end, now):
            msg = "The start must be before the end and not in the future."
            raise InvalidRangeError(msg)
        if end - start > MAX_RANGE:
            msg = "The range must not exceed two years, the retention of the history."
            raise InvalidRangeError(msg)
        return cls(start, min(end, now))

    @property
    def length(self) -> timedelta:
        """Duration of the range."""
        return self.end - self.start


def _fetch(query: str, robot_ids: Iterable[UUID], span: TimeRange, **more: Any) -> list[Any]:
    parameters = {"robots": list(robot_ids), "start": span.start, "end": span.end, **more}
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        rows: list[Any] = cursor.fetchall()
    return rows


def _longest_first(rows: Iterable[Any]) -> list[TimeInStatus]:
    return sorted((TimeInStatus(*row) for row in rows), key=lambda item: (-item.time, item.status))


def status_summary(robot_ids: Collection[UUID], span: TimeRange) -> StatusSummary:
    """Return the robots' total time in state; one query."""
    rows = _fetch(_BY_STATUS_SQL, robot_ids, span)
    return StatusSummary(span.length * len(robot_ids), _longest_first(rows))


def status_summaries(robot_ids: Collection[UUID], span: TimeRange) -> dict[UUID, StatusSummary]:
    """Return each robot's time in state; one query."""
    found: dict[UUID, list[Any]] = {robot_id: [] for robot_id in robot_ids}
    for robot_id, *row in _fetch(_BY_ROBOT_SQL, robot_ids, span):
        found[robot_id].append(row)
    return {pk: StatusSummary(span.length, _longest_first(rows)) for pk, rows in found.items()}


def running_seconds_since(
    measurements: Collection[tuple[UUID, UUID, datetime]], end: datetime
) -> dict[UUID, int]:
    """Return running times until an end, in whole seconds; one query.

    Late rows of the history count as soon as they are stored.

    Args:
        measurements: Key of each measurement, its robot, and the time from which it counts.
        end: End of all measurements.
    """
    if not measurements:
        return {}
    parameters: dict[str, Any] = {
        "keys": [key for key, _, _ in measurements],
        "robots": [robot_id for _, robot_id, _ in measurements],
        "starts": [min(start, end) for _, _, start in measurements],
        "end": end,
    }
    with connection.cursor() as cursor:
        cursor.execute(_RUNNING_SECONDS_SQL, parameters)
        return dict(cursor.fetchall())


def status_days(
    robot_ids: Collection[UUID], span: TimeRange, zone: tzinfo
) -> tuple[list[tuple[TimeRange, StatusSummary]], StatusSummary]:
    """Return time in state by local day and in total; one query.

    The first and the last day only include the time within the range.

    Raises:
        InvalidRangeError: A day of the range is outside of the calendar.
    """
    try:
        limits = day_limits(span.start, span.end, zone)
    except OverflowError as error:  # the first or the last days of the calendar
        raise InvalidRangeError from error
    limits = [max(limits[0], span.start), *limits[1:-1], min(limits[-1], span.end)]
    found: list[list[Any]] = [[] for _ in limits[1:]]
    totals: dict[str, list[Any]] = {}
    for number, status, time, count, begun in _fetch(_BY_DAY_SQL, robot_ids, span, limits=limits):
        found[number - 1].append((status, time, count))
        total = totals.setdefault(status, [timedelta(), 0])
        total[0] += time
        total[1] += begun
    days = [
        (TimeRange(start, end), StatusSummary((end - start) * len(robot_ids), _longest_first(rows)))
        for (start, end), rows in zip(pairwise(limits), found, strict=True)
    ]
    total_rows = _longest_first((status, *total) for status, total in totals.items())
    return days, StatusSummary(span.length * len(robot_ids), total_rows)


def summaries_total(summaries: Collection[StatusSummary]) -> StatusSummary:
    """Return the total of several robots' summaries."""
    times: dict[str, list[Any]] = {}
    for item in (item for summary in summaries for item in summary.statuses):
        total = times.setdefault(item.status, [timedelta(), 0])
        total[0] += item.time
        total[1] += item.spells
    whole = sum((summary.whole for summary in summaries), timedelta())
    return StatusSummary(whole, _longest_first((status, *t) for status, t in times.items()))


def status_intervals(
    robot_ids: Collection[UUID], span: TimeRange, max_intervals: int = MAX_INTERVALS
) -> dict[UUID, list[StatusInterval]]:
    """Return each robot's timeline, oldest first; one query.

    With more than `max_intervals` intervals, short ones are merged. Intervals have no gaps between
    them, and there are at most `max_intervals` + 1.
    """
    # There are at most as many long intervals as slots, and one merged interval per slot.
    slots = max(max_intervals // 2, 1)
    slot = max(span.length / slots, timedelta.resolution)
    rows = _fetch(_MERGED_INTERVALS_SQL, robot_ids, span, max_intervals=max_intervals, slot=slot)
    found: dict[UUID, list[StatusInterval]] = {robot_id: [] for robot_id in robot_ids}
    for robot_id, begins, ends, statuses, count, reason in rows:
        most_severe = min(
            statuses, key=lambda status: _SEVERITY_RANK.get(status, len(_SEVERITY_RANK))
        )
        interval_reason = reason if count == 1 else None
        interval = StatusInterval(
            most_severe, begins, ends, count, tuple(statuses), interval_reason
        )
        found[robot_id].append(interval)
    for intervals in found.values():
        begins = intervals[0].start if intervals else span.end
        if begins > span.start:
            intervals.insert(0, StatusInterval("", span.start, begins))
    return found
