"""Status over time as the pages draw it: strips, and the tables beside them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.robots.choices import RobotStatus
from apps.robots.models import Robot, RobotStatusHistory
from apps.robots.selectors.availability import DOWN, UP, StatusSummary
from apps.robots.selectors.status_intervals import (
    Segment,
    StatusRange,
    status_segments,
    status_summaries,
)
from urfmp.common.rendering.html import clock

UNKNOWN = "Not known"
# A strip is about a thousand pixels wide.
_SEGMENTS = 600
_SEGMENTS_IN_A_LIST = 240
_WORDS = {
    **dict.fromkeys(UP, "up"), **dict.fromkeys(DOWN, "down"), RobotStatus.MAINTENANCE: "by itself"
}  # fmt: skip


@dataclass(frozen=True)
class Stripe:
    """One segment as it is drawn: where it lies in the strip, in percent, and what it says.

    Attributes:
        status: The status that fills it: of several the longest.
        gravest: Another one that is shown at its foot, if there is a graver one.
    """

    status: str
    gravest: str
    left: float
    width: float
    text: str


@dataclass(frozen=True)
class Strip:
    """A robot's status over a range."""

    stripes: list[Stripe]
    segments: list[Segment]
    summary: StatusSummary

    @property
    def last(self) -> Segment | None:
        """What it ends with."""
        return self.segments[-1] if self.segments else None

    @property
    def is_thinned(self) -> bool:
        """Whether some stripes stand for several spells."""
        return any(segment.spells > 1 for segment in self.segments)


@dataclass(frozen=True)
class TimeRow:
    """A line of the table of time in state; `counts` says what it counts as."""

    status: str
    label: str
    counts: str
    time: Any
    percent: float
    spells: int | None


def status_label(status: str) -> str:
    """Return a status as it is read."""
    return RobotStatus(status).label if status else UNKNOWN


def time_rows(summary: StatusSummary) -> list[TimeRow]:
    """Return time in state, the longest first, and at the end what is not known."""
    rows = [
        TimeRow(
            one.status,
            status_label(one.status),
            _WORDS[RobotStatus(one.status)],
            one.time,
            100 * summary.share(one.time),
            one.spells,
        )
        for one in summary.statuses
    ]
    if summary.unknown:
        share = 100 * summary.share(summary.unknown)
        rows.append(TimeRow("", UNKNOWN, "not", summary.unknown, share, None))
    return rows


def strips_for(robot_ids: Collection[UUID], span: StatusRange) -> dict[UUID, Strip]:
    """Return the strips of some robots; two queries."""
    most = _SEGMENTS if len(robot_ids) == 1 else _SEGMENTS_IN_A_LIST
    segments = status_segments(robot_ids, span, most)
    summaries = status_summaries(robot_ids, span)
    return {
        pk: Strip(list(_stripes(parts, span)), parts, summaries[pk])
        for pk, parts in segments.items()
    }


def _stripes(segments: Iterable[Segment], span: StatusRange) -> Iterable[Stripe]:
    for segment in segments:
        left = 100 * ((segment.start - span.start) / span.length)
        width = 100 * ((segment.end - segment.start) / span.length)
        longest = segment.statuses[0] if segment.statuses else segment.status
        gravest = segment.status if segment.status != longest else ""
        yield Stripe(longest, gravest, left, width, _text(segment))


def _text(segment: Segment) -> str:
    names = ", ".join(map(status_label, segment.statuses or (segment.status,)))
    times = f"{clock(segment.start)} to {clock(segment.end)}"
    if segment.spells > 1:
        return f"{names}, {segment.spells} spells, {times}"
    return f"{names}, {times}{f': {segment.reason}' if segment.reason else ''}"


def status_history(
    principal: Any,
    *,
    robots: Any,
    status: str,
    start: datetime | None,
    end: datetime | None,
    before: datetime | None,
    limit: int,
) -> list[RobotStatusHistory]:
    """Return status changes, the newest first.

    Args:
        principal: Who asks.
        robots: Queryset of the robots whose changes; None for all.
        status: Changes to this status alone; empty for all.
        start: Not before this time.
        end: Before this time.
        before: Before this time as well: where the page before ended.
        limit: At most this many.
    """
    rows = RobotStatusHistory.objects.restrict(principal).select_related("robot")
    if robots is not None:
        rows = rows.filter(robot_id__in=robots.order_by().values("pk"))
    until = min((time for time in (end, before) if time), default=None)
    wanted: dict[str, Any] = {"status": status, "time__gte": start, "time__lt": until}
    wanted = {name: value for name, value in wanted.items() if value}
    return list(rows.filter(**wanted).order_by("-time", "robot_id")[:limit])


def robots_of(principal: Any, facility: str = "", robot_id: UUID | None = None) -> Any:
    """Return the robots in service, or those of one facility, or one that may be retired."""
    robots = Robot.objects.restrict(principal)
    if robot_id is not None:
        return robots.filter(pk=robot_id)
    robots = robots.in_service()
    return robots.filter(location__contains={"facility": facility}) if facility else robots
