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

# A robot's intervals in [start, end). The first interval has the status of the last change before
# the start; the last one lasts until the end. The policy on `robots` restricts the robots. One
# index scan for each robot returns its changes in order, so nothing is sorted. Texts are compared
# by their bytes, which is faster.
_INTERVALS_SQL = """
    WITH intervals AS (
        SELECT asked.id AS robot_id, i.*
        FROM (SELECT id FROM robots WHERE id = ANY (%(robots)s) OFFSET 0) AS asked
        CROSS JOIN LATERAL (
            SELECT c.status COLLATE "C" AS status, c.reason COLLATE "C" AS reason,
                   greatest(c.time, %(start)s) AS begins,
                   lead(c.time, 1, %(end)s) OVER (ORDER BY c.time) AS ends,
                   count(*) OVER () AS total
            FROM (
                (SELECT h.time, h.status, h.reason FROM robot_status_history h
                 WHERE h.robot_id = asked.id AND h.time <= %(start)s
                 ORDER BY h.time DESC LIMIT 1)
                UNION ALL
                (SELECT h.time, h.status, h.reason FROM robot_status_history h
                 WHERE h.robot_id = asked.id AND h.time > %(start)s AND h.time < %(end)s
                 ORDER BY h.time)
            ) AS c
            OFFSET 0
        ) AS i
    )
"""
# Queries over these intervals.
_BY_STATUS_SQL = "SELECT status, sum(ends - begins), count(*) FROM intervals GROUP BY status"
_BY_ROBOT_SQL = """
    SELECT robot_id, status, sum(ends - begins), count(*) FROM intervals GROUP BY robot_id, status
"""
# An interval counts in each day that it overlaps.
_BY_DAY_SQL = """
    SELECT day.number, i.status,
           sum(least(i.ends, (%(limits)s::timestamptz[])[day.number + 1])
               - greatest(i.begins, (%(limits)s::timestamptz[])[day.number])),
           count(*)
    FROM intervals i
    CROSS JOIN LATERAL generate_series(
        width_bucket(i.begins, %(limits)s::timestamptz[]),
        width_bucket(i.ends - interval '1 microsecond', %(limits)s::timestamptz[])
    ) AS day (number)
    WHERE i.ends > i.begins
    GROUP BY 1, 2
"""
# Short intervals that begin in the same slot are merged. A long interval does not fit between two
# short intervals of one slot, so a merged interval has no gap.
_MERGED_INTERVALS_SQL = """
    , cut AS (
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
"""
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
        cursor.execute(_INTERVALS_SQL + query, parameters)
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


def status_days(
    robot_ids: Collection[UUID], span: TimeRange, zone: tzinfo
) -> list[tuple[TimeRange, StatusSummary]]:
    """Return the robots' time in state by local day; one query.

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
    for number, *row in _fetch(_BY_DAY_SQL, robot_ids, span, limits=limits):
        found[number - 1].append(row)
    days = [TimeRange(start, end) for start, end in pairwise(limits)]
    return [
        (day, StatusSummary(day.length * len(robot_ids), _longest_first(rows)))
        for day, rows in zip(days, found, strict=True)
    ]


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
