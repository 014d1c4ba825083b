"""Status history read out: time in state, and the spells that a picture shows."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from apps.robots.exceptions import InvalidRangeError
from apps.robots.selectors.availability import GRAVITY, StatusSummary, TimeInStatus

# History is kept for two years.
LONGEST_RANGE = timedelta(days=732)
MAX_SEGMENTS = 1_000

# A robot's spells in [start, end): the status at the start carries in from the last change before
# it, the last one lasts until the end. The policy on `robots` decides whose are seen.
_SPELLS = """
    WITH asked AS (SELECT id FROM robots WHERE id = ANY (%(robots)s)),
    changes AS (
        SELECT asked.id AS robot_id, c.time, c.status, c.reason
        FROM asked CROSS JOIN LATERAL (
            (SELECT h.time, h.status, h.reason FROM robot_status_history h
             WHERE h.robot_id = asked.id AND h.time <= %(start)s
             ORDER BY h.time DESC LIMIT 1)
            UNION ALL
            SELECT h.time, h.status, h.reason FROM robot_status_history h
            WHERE h.robot_id = asked.id AND h.time > %(start)s AND h.time < %(end)s
        ) AS c
    ),
    spells AS (
        SELECT robot_id, status, reason, greatest(time, %(start)s) AS begins,
               lead(time, 1, %(end)s) OVER (PARTITION BY robot_id ORDER BY time) AS ends
        FROM changes
    )
"""
# What stands behind it.
_BY_STATUS = "SELECT status, sum(ends - begins), count(*) FROM spells GROUP BY status"
_BY_ROBOT = """
    SELECT robot_id, status, sum(ends - begins), count(*) FROM spells GROUP BY robot_id, status
"""
# Spells too short to be seen are put together, those that begin in the same slot; as no long one
# fits between two of one slot, what is put together is one stretch of time.
_SEGMENTS = """
    , cut AS (
        SELECT *, CASE
            WHEN count(*) OVER (PARTITION BY robot_id) <= %(most)s OR ends - begins >= %(slot)s
            THEN NULL
            ELSE floor(extract(epoch FROM begins - %(start)s) / extract(epoch FROM %(slot)s))
        END AS slot
        FROM spells
    ),
    added AS (
        SELECT robot_id, slot, CASE WHEN slot IS NULL THEN begins END AS alone, status,
               min(begins) AS begins, max(ends) AS ends, sum(ends - begins) AS time,
               count(*) AS spells, min(reason) AS reason
        FROM cut GROUP BY 1, 2, 3, 4
    )
    SELECT robot_id, min(begins), max(ends), array_agg(status ORDER BY time DESC, status),
           sum(spells)::int, min(reason)
    FROM added GROUP BY robot_id, slot, alone
    ORDER BY robot_id, min(begins)
"""
_RANK = {status.value: rank for rank, status in enumerate(GRAVITY)}


@dataclass(frozen=True)
class Segment:
    """A stretch of a robot's time.

    Attributes:
        status: The only status in it, or the gravest of several; empty where none is known.
        start: When it began, or where the range begins.
        end: When it ended, or where the range ends.
        spells: How many spells it stands for; more than one where they are too short to be seen.
        statuses: All that occurred in it, the longest first.
        reason: Why it began, where it is one spell.
    """

    status: str
    start: datetime
    end: datetime
    spells: int = 1
    statuses: tuple[str, ...] = ()
    reason: str | None = None


@dataclass(frozen=True)
class StatusRange:
    """From when to when: checked, and never beyond now, as nothing is known of the future."""

    start: datetime
    end: datetime

    @classmethod
    def of(cls, start: datetime, end: datetime) -> StatusRange:
        """Return the part of a range that has passed.

        Raises:
            InvalidRangeError: It is empty, all of it is to come, or it is longer than two years.
        """
        now = timezone.now()
        if not start < min(end, now):
            msg = "The start lies before the end, and not in the future."
            raise InvalidRangeError(msg)
        if end - start > LONGEST_RANGE:
            msg = "A range is at most two years: history is not kept for longer."
            raise InvalidRangeError(msg)
        return cls(start, min(end, now))

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.end - self.start


def _read(what: str, robot_ids: Iterable[UUID], span: StatusRange, **more: Any) -> list[Any]:
    parameters = {"robots": list(robot_ids), "start": span.start, "end": span.end, **more}
    with connection.cursor() as cursor:
        cursor.execute(_SPELLS + what, parameters)
        rows: list[Any] = cursor.fetchall()
    return rows


def _in_order(rows: Iterable[Any]) -> list[TimeInStatus]:
    return sorted((TimeInStatus(*row) for row in rows), key=lambda one: (-one.time, one.status))


def status_summary(robot_ids: Collection[UUID], span: StatusRange) -> StatusSummary:
    """Return the robots' time in state, added up; one query."""
    rows = _read(_BY_STATUS, robot_ids, span)
    return StatusSummary(span.length * len(robot_ids), _in_order(rows))


def status_summaries(robot_ids: Collection[UUID], span: StatusRange) -> dict[UUID, StatusSummary]:
    """Return each robot's time in state; one query."""
    found: dict[UUID, list[Any]] = {robot_id: [] for robot_id in robot_ids}
    for robot_id, *row in _read(_BY_ROBOT, robot_ids, span):
        found[robot_id].append(row)
    return {pk: StatusSummary(span.length, _in_order(rows)) for pk, rows in found.items()}


def status_segments(
    robot_ids: Collection[UUID], span: StatusRange, max_segments: int = MAX_SEGMENTS
) -> dict[UUID, list[Segment]]:
    """Return each robot's spells, oldest first; one query.

    Where there are more than `max_segments`, those too short to be seen are put together; the
    segments still follow each other without a gap, and are at most that many and one.
    """
    # Long ones are at most as many as there are slots, and each slot has one of short ones.
    slots = max(max_segments // 2, 1)
    slot = max(span.length / slots, timedelta.resolution)
    rows = _read(_SEGMENTS, robot_ids, span, most=max_segments, slot=slot)
    found: dict[UUID, list[Segment]] = {robot_id: [] for robot_id in robot_ids}
    for robot_id, begins, ends, statuses, spells, reason in rows:
        gravest = min(statuses, key=lambda status: _RANK.get(status, len(_RANK)))
        why = reason if spells == 1 else None
        segment = Segment(gravest, begins, ends, spells, tuple(statuses), why)
        found[robot_id].append(segment)
    for segments in found.values():
        begins = segments[0].start if segments else span.end
        if begins > span.start:
            segments.insert(0, Segment("", span.start, begins))
    return found
