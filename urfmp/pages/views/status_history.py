"""Who stood still, when, for how long and why."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.http import urlencode

from apps.organizations.models import Facility
from apps.robots.choices import RobotStatus
from apps.robots.exceptions import InvalidRangeError
from apps.robots.selectors.status_intervals import StatusRange, status_summary
from urfmp.common.db.fields import EARLIEST, LATEST
from urfmp.pages.range_form import RangeForm
from urfmp.pages.selectors import robot_choices
from urfmp.pages.timelines import robots_of, status_history, strips_for, time_rows
from urfmp.pages.views.rendering import page, require

_CHANGES = 50
_STRIPS = 25
# A week of so many robots takes longer to add up than somebody who just looks in wants to wait.
_MANY = 1_000
_ADDED_UP = 3_000
_RANGES = ("24h", "7d", "30d", "1y")


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


def _known(request: HttpRequest, text: str) -> UUID | None:
    robot_id = _robot(text)
    is_own = robot_id and robots_of(request.user, robot_id=robot_id).exists()
    return robot_id if is_own else None


def status_history_page(request: HttpRequest) -> HttpResponse:
    """Show time in state, strips and changes; a mistyped filter counts as none."""
    require(request, "robots.view_robotstatushistory")
    asked = request.GET
    now = timezone.now()
    choices = robot_choices(request.user)
    known = _known(request, asked.get("robot", ""))
    if known and known not in {pk for pk, _ in choices}:
        choices = [*choices, (known, str(robots_of(request.user, robot_id=known).get()))]
    facilities = _facilities(request)
    facility = asked.get("facility", "") if asked.get("facility") in facilities else ""
    status = asked.get("status", "") if asked.get("status") in RobotStatus.values else ""
    robots = robots_of(request.user, facility, known)
    ids = list(robots.order_by("name", "pk").values_list("pk", flat=True))
    default = "7d" if len(ids) <= _MANY else "24h"
    form = RangeForm(asked, default=default, presets=_RANGES)
    start, end = form.limits(now)
    filters = {
        "robot": str(known or ""), "facility": facility, "status": status, "range": form.chosen,
        **{name: asked.get(name, "") for name in ("start", "end") if form.chosen == "own"},
    }  # fmt: skip
    return page(
        request,
        "pages/status_history.html",
        "Status history",
        robots=choices,
        facilities=facilities,
        statuses=RobotStatus.choices,
        form=form,
        chosen={"robot": known, "facility": facility, "status": status},
        start=start,
        end=end,
        **_picture(robots, ids, (start, end), asked.get("page", "")),
        query=urlencode(filters),
        **_changes(request, robots if known or facility else None, status, (start, end), filters),
    )


def _facilities(request: HttpRequest) -> list[str]:
    rows = Facility.objects.restrict(request.user)
    return list(rows.order_by("name").values_list("name", flat=True)[:500])


def _picture(
    robots: Any, ids: list[UUID], limits: tuple[datetime, datetime], number: str
) -> dict[str, Any]:
    """Return the sum over the robots, and the strips of one page of them.

    A fleet that takes too long to add up is added up for the page alone, which says so.
    """
    try:
        span = StatusRange.of(*limits)
    except InvalidRangeError as error:
        return {"problem": error.message}
    turned: Page[UUID] = Paginator(ids, _STRIPS).get_page(number)
    added_up = ids if len(ids) <= _ADDED_UP else list(turned)
    summary = status_summary(added_up, span)
    shown = robots.in_bulk(list(turned))
    strips = strips_for(list(turned), span)
    return {
        "span": span,
        "summary": summary,
        "rows": time_rows(summary),
        "count": len(ids),
        "added_up": len(added_up),
        "turned": turned,
        "strips": [(shown[pk], strips[pk]) for pk in turned if pk in shown],
    }


def _changes(
    request: HttpRequest,
    robots: Any,
    status: str,
    limits: tuple[datetime, datetime],
    filters: dict[str, str],
) -> dict[str, Any]:
    before = _time(request.GET.get("before", ""))
    rows = status_history(
        request.user,
        robots=robots,
        status=status,
        start=limits[0],
        end=limits[1],
        before=before,
        limit=_CHANGES + 1,
    )
    shown = rows[:_CHANGES]
    more = {**filters, "before": shown[-1].time.isoformat()} if len(rows) > _CHANGES else None
    return {
        "changes": shown,
        "older": urlencode(more) if more else "",
        "newest": urlencode(filters) if before else "",
    }
