"""Status over time for the pages: timelines, time in each status, changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
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
from urfmp.common.rendering.formats import format_datetime, format_share

UNKNOWN = "Unknown"
# A timeline is about a thousand pixels wide.
_MAX_SEGMENTS = 600
MAX_STRIP_SEGMENTS = 120
STRIP_WIDTH = 1000
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
        share: Share of the whole range, 0 to 1.
        occurrences: Number of times the status occurred; None for unknown time.
    """

    status: str
    label: str
    counts_as: str
    time: timedelta
    share: float
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
            summary.share(one.time),
            one.spells,
        )
        for one in summary.statuses
    ]
    if summary.unknown:
        share = summary.share(summary.unknown)
        rows.append(StatusTimeRow("", UNKNOWN, "not counted", summary.unknown, share, None))
    return rows


def timeline_for(robot_id: UUID, span: TimeRange) -> Timeline:
    """Return the timeline of one robot. Runs two queries."""
    intervals = status_intervals([robot_id], span, _MAX_SEGMENTS)[robot_id]
    summary = status_summaries([robot_id], span)[robot_id]
    return Timeline(list(_timeline_segments(intervals, span)), intervals, summary)


@dataclass(frozen=True)
class Strip:
    """Timeline of one robot in a list, drawn in few bytes.

    A page has thousands of segments. Their descriptions are loaded when the user selects one.

    Attributes:
        robot: The robot.
        summary: Its time in state.
        lines: Status and SVG path of the intervals in it; `STRIP_WIDTH` is the whole range.
        most_severe: The same for more severe statuses along the bottom.
        text: Share of each status in words, for screen readers and tooltips.
    """

    robot: Robot
    summary: StatusSummary
    lines: list[tuple[str, str]]
    most_severe: list[tuple[str, str]]
    text: str


def strips_for(
    robots: Collection[Robot], summaries: Mapping[UUID, StatusSummary], span: TimeRange
) -> list[Strip]:
    """Return the strips of some robots; one query."""
    intervals = status_intervals([robot.pk for robot in robots], span, MAX_STRIP_SEGMENTS)
    strips = []
    for robot in robots:
        longest: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        most_severe: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        for segment in _timeline_segments(intervals[robot.pk], span, describe=False):
            left = round(segment.left * STRIP_WIDTH / 100)
            right = round((segment.left + segment.width) * STRIP_WIDTH / 100)
            line = left, max(right, left + 1)
            _draw(longest[segment.status], line)
            if segment.most_severe:
                _draw(most_severe[segment.most_severe], line)
        summary = summaries[robot.pk]
        strips.append(
            Strip(robot, summary, _paths(longest, 0), _paths(most_severe, 8), _shares_text(summary))
        )
    return strips


def _draw(lines: list[tuple[int, int]], line: tuple[int, int]) -> None:
    """Add a line, or lengthen the last one if they meet."""
    left, right = line
    if lines and lines[-1][1] >= left:
        lines[-1] = lines[-1][0], max(lines[-1][1], right)
    else:
        lines.append(line)


def _paths(lines: Mapping[str, list[tuple[int, int]]], y: int) -> list[tuple[str, str]]:
    return [
        (status, "".join(f"M{left} {y}h{right - left}" for left, right in drawn))
        for status, drawn in lines.items()
    ]


def _shares_text(summary: StatusSummary) -> str:
    rows = status_time_rows(summary)
    return ", ".join(f"{row.label} {format_share(row.share)}" for row in rows)


def _timeline_segments(
    intervals: Iterable[StatusInterval], span: TimeRange, *, describe: bool = True
) -> Iterable[TimelineSegment]:
    for interval in intervals:
        left = 100 * ((interval.start - span.start) / span.length)
        width = 100 * ((interval.end - interval.start) / span.length)
        longest = interval.statuses[0] if interval.statuses else interval.status
        most_severe = interval.status if interval.status != longest else ""
        text = _segment_label(interval) if describe else ""
        yield TimelineSegment(longest, most_severe, left, width, text)


def _segment_label(interval: StatusInterval) -> str:
    names = ", ".join(map(status_label, interval.statuses or (interval.status,)))
    times = f"{format_datetime(interval.start)} to {format_datetime(interval.end)}"
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
    rows = RobotStatusHistory.objects.restrict(principal).prefetch_related("robot")
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
