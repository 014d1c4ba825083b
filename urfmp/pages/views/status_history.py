"""Who stood still, when and why: the changes of status, newest first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.http import urlencode

from apps.robots.choices import RobotStatus
from urfmp.common.fields import EARLIEST, LATEST
from urfmp.pages.selectors import robot_choices, status_history, status_timeline
from urfmp.pages.views.page import page, require

_PAGE = 50
_DAYS = {"1": "24 hours", "7": "7 days", "30": "30 days", "": "All"}


def _time(text: str) -> datetime | None:
    try:
        value = parse_datetime(text)
    except ValueError:
        return None
    if value is None:
        return None
    value = value.replace(tzinfo=value.tzinfo or UTC)
    return value if EARLIEST <= value < LATEST else None


def _robot(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def status_history_page(request: HttpRequest) -> HttpResponse:
    """Show the changes; a mistyped filter counts as none."""
    require(request, "robots.view_robotstatushistory")
    asked = request.GET
    now = timezone.now()
    robots = robot_choices(request.user)
    robot_id = _robot(asked.get("robot", ""))
    known = robot_id if robot_id in {pk for pk, _ in robots} else None
    status = asked.get("status", "") if asked.get("status") in RobotStatus.values else ""
    days = asked.get("days", "7") if asked.get("days", "7") in _DAYS else "7"
    start = now - timedelta(days=int(days)) if days else None
    before = _time(asked.get("before", ""))
    rows = status_history(
        request.user, robot_id=known, status=status, start=start, before=before, limit=_PAGE + 1
    )
    shown = rows[:_PAGE]
    filters = {"robot": str(known or ""), "status": status, "days": days}
    older = (
        urlencode({**filters, "before": shown[-1].time.isoformat()}) if len(rows) > _PAGE else ""
    )
    return page(
        request,
        "pages/status_history.html",
        "Status history",
        robots=robots,
        statuses=RobotStatus.choices,
        spans=_DAYS,
        chosen={"robot": known, "status": status, "days": days},
        changes=shown,
        timeline=status_timeline(known, start=start, end=now) if known and start else None,
        timeline_start=start,
        now=now,
        older=older,
        newest=urlencode(filters) if before else "",
    )
