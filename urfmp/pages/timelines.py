"""Status over time for the pages: timelines, time in each status, changes."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from apps.robots.choices import RobotStatus
from apps.robots.models import Robot, RobotStatusHistory
from apps.robots.selectors.availability import DOWN, UP, StatusSummary
from apps.robots.selectors.status_intervals import (
    StatusInterval,
    TimeRange,
    status_intervals,
    status_summaries,
)
from urfmp.common.rendering.html import format_local_datetime

UNKNOWN = "Unknown"
# A timeline is about a thousand pixels wide.
_MAX_SEGMENTS = 600
_MAX_SEGMENTS_IN_LIST = 240
_COUNTS_AS = {
    **dict.fromkeys(UP, "up"), **dict.fromkeys(DOWN, "down"), RobotStatus.MAINTENANCE: "maintenance"
}  # fmt: skip


@dataclass(frozen=True)
class TimelineSegment:
    """A drawn segment of a timeline.

    Attributes:
        status: The longest status in the segment, which fills it.
        most_severe: A more severe status, drawn along the bottom; empty if there is none.
        left: Left edge in percent of the timeline.
        width: Width in percent of the timeline.
        text: Description for tooltips and screen readers.
    """

    status: str
    most_severe: str
    left: float
    width: float
    text: str


@dataclass(frozen=True)
class Timeline:
    """Status of one robot over a time range."""

    segments: list[TimelineSegment]
    status_intervals: list[StatusInterval]
    summary: StatusSummary

    @property
    def last(self) -> StatusInterval | None:
        """The latest status interval."""
        return self.status_intervals[-1] if self.status_intervals else None


@dataclass(frozen=True)
class StatusTimeRow:
    """A row of the table of time in each status.

    Attributes:
        status: The status; empty for unknown time.
        label: Display name of the status.
        counts_as: Category in the calculation of availability.
        time: Total time in the status.
        percent: Share of the whole range.
        occurrences: Number of times the status occurred; None for unknown time.
    """

    status: str
    label: str
    counts_as: str
    time: timedelta
    percent: float
    occurrences: int | None


def status_label(status: str) -> str:
    """Return the display name of a status."""
    return RobotStatus(status).label if status else UNKNOWN


def status_time_rows(summary: StatusSummary) -> list[StatusTimeRow]:
    """Return time in each status, the longest first and unknown time last."""
    rows = [
        StatusTimeRow(
            one.status,
            status_label(one.status),
            _COUNTS_AS[RobotStatus(one.status)],
            one.time,
            100 * summary.share(one.time),
            one.spells,
        )
        for one in summary.statuses
    ]
    if summary.unknown:
        share = 100 * summary.share(summary.unknown)
        rows.append(StatusTimeRow("", UNKNOWN, "not counted", summary.unknown, share, None))
    return rows


def timelines_for(robot_ids: Collection[UUID], span: TimeRange) -> dict[UUID, Timeline]:
    """Return the timelines of some robots. Runs two queries."""
    max_segments = _MAX_SEGMENTS if len(robot_ids) == 1 else _MAX_SEGMENTS_IN_LIST
    intervals = status_intervals(robot_ids, span, max_segments)
    summaries = status_summaries(robot_ids, span)
    return {
        pk: Timeline(list(_timeline_segments(parts, span)), parts, summaries[pk])
        for pk, parts in intervals.items()
    }


def _timeline_segments(
    intervals: Iterable[StatusInterval], span: TimeRange
) -> Iterable[TimelineSegment]:
    for interval in intervals:
        left = 100 * ((interval.start - span.start) / span.length)
        width = 100 * ((interval.end - interval.start) / span.length)
        longest = interval.statuses[0] if interval.statuses else interval.status
        most_severe = interval.status if interval.status != longest else ""
        yield TimelineSegment(longest, most_severe, left, width, _segment_label(interval))


def _segment_label(interval: StatusInterval) -> str:
    names = ", ".join(map(status_label, interval.statuses or (interval.status,)))
    times = f"{format_local_datetime(interval.start)} to {format_local_datetime(interval.end)}"
    if interval.spells > 1:
        return f"{names}, {interval.spells} occurrences, {times}"
    return f"{names}, {times}{f': {interval.reason}' if interval.reason else ''}"


def status_changes(
    principal: Any,
    *,
    robots: Any,
    status: str,
    start: datetime | None,
    end: datetime | None,
    before: datetime | None,
    limit: int,
) -> list[RobotStatusHistory]:
    """Return status changes, newest first.

    Args:
        principal: User or API key that reads.
        robots: Queryset of robots; None for all robots.
        status: Status that the robots changed to; empty for any.
        start: Start of the range, inclusive.
        end: End of the range, exclusive.
        before: Time of the last change on the previous page, exclusive.
        limit: Maximum number of changes.
    """
    rows = RobotStatusHistory.objects.restrict(principal).select_related("robot")
    if robots is not None:
        rows = rows.filter(robot_id__in=robots.order_by().values("pk"))
    until = min((time for time in (end, before) if time), default=None)
    wanted: dict[str, Any] = {"status": status, "time__gte": start, "time__lt": until}
    wanted = {name: value for name, value in wanted.items() if value}
    return list(rows.filter(**wanted).order_by("-time", "robot_id")[:limit])


def filter_robots(principal: Any, facility: str = "", robot_id: UUID | None = None) -> Any:
    """Return robots in service, or one robot by id.

    A robot selected by id may be retired.
    """
    robots = Robot.objects.restrict(principal)
    if robot_id is not None:
        return robots.filter(pk=robot_id)
    robots = robots.in_service()
    return robots.filter(location__contains={"facility": facility}) if facility else robots
