"""Status history page: availability, time in each status, and changes."""

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
from apps.organizations.selectors import facility_timezone
from apps.robots.choices import RobotStatus
from apps.robots.exceptions import InvalidRangeError
from apps.robots.selectors.availability import StatusSummary
from apps.robots.selectors.status_intervals import (
    TimeRange,
    status_days,
    status_summaries,
    summaries_total,
)
from urfmp.common.db.fields import MAX_DATETIME, MIN_DATETIME
from urfmp.common.time.zones import zone_or_utc
from urfmp.pages.range_form import CUSTOM, RangeForm
from urfmp.pages.selectors.robots import robot_choices
from urfmp.pages.timelines import (
    MAX_STRIP_SEGMENTS,
    STRIP_WIDTH,
    filter_robots,
    status_changes,
    status_time_rows,
    strips_for,
)
from urfmp.pages.views.rendering import render_page, require_permission

_CHANGES_PER_PAGE = 50
_TIMELINES_PER_PAGE = 25
# Larger fleets default to a shorter range: summarizing a week would take too long.
_MAX_ROBOTS_WEEK_DEFAULT = 1_000
_MAX_ROBOTS_SUMMARIZED = 3_000
_RANGES = ("24h", "7d", "30d", "1y")


def _parse_time(text: str) -> datetime | None:
    try:
        value = parse_datetime(text)
    except ValueError:
        return None
    if value is None:
        return None
    value = value.replace(tzinfo=value.tzinfo or UTC)
    return value if MIN_DATETIME <= value < MAX_DATETIME else None


def _parse_robot_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _visible_robot_id(request: HttpRequest, text: str) -> UUID | None:
    robot_id = _parse_robot_id(text)
    is_own = robot_id and filter_robots(request.user, robot_id=robot_id).exists()
    return robot_id if is_own else None


def status_history_page(request: HttpRequest) -> HttpResponse:
    """Show availability, timelines and changes. Invalid filters are ignored."""
    require_permission(request, "robots.view_robotstatushistory")
    query = request.GET
    now = timezone.now()
    choices = robot_choices(request.user)
    known = _visible_robot_id(request, query.get("robot", ""))
    if known and known not in {pk for pk, _ in choices}:
        choices = [*choices, (known, str(filter_robots(request.user, robot_id=known).get()))]
    facilities = _facility_names(request)
    facility = query.get("facility", "") if query.get("facility") in facilities else ""
    status = query.get("status", "") if query.get("status") in RobotStatus.values else ""
    robots = filter_robots(request.user, facility, known)
    ids = list(robots.order_by("name", "pk").values_list("pk", flat=True))
    default = "7d" if len(ids) <= _MAX_ROBOTS_WEEK_DEFAULT else "24h"
    form = RangeForm(query, default=default, presets=_RANGES)
    start, end = form.bounds(now)
    filters: dict[str, str] = {
        "robot": str(known or ""), "facility": facility, "status": status, "range": form.selected,
        "by": "day" if query.get("by") == "day" and len(ids) <= _MAX_ROBOTS_SUMMARIZED else "",
        **(
            {"start": start.isoformat(), "end": end.isoformat()} if form.selected == CUSTOM else {}
        ),
    }  # fmt: skip
    return render_page(
        request,
        "pages/status_history.html",
        "Status history",
        robots=choices,
        facilities=facilities,
        statuses=RobotStatus.choices,
        form=form,
        range_inputs=form.inputs({"start": start, "end": end}),
        hide_range_inputs=not form.is_custom,
        selected={"robot": known, "facility": facility, "status": status},
        start=start,
        end=end,
        **_timeline_context(
            robots,
            ids,
            (start, end),
            query.get("page", ""),
            facility_timezone(request.user, facility) if filters["by"] else None,
        ),
        query=urlencode(filters),
        **_changes_context(
            request, robots if known or facility else None, status, (start, end), filters
        ),
    )


def _facility_names(request: HttpRequest) -> list[str]:
    rows = Facility.objects.restrict(request.user)
    return list(rows.order_by("name").values_list("name", flat=True)[:500])


def _timeline_context(
    robots: Any,
    ids: list[UUID],
    bounds: tuple[datetime, datetime],
    page_number: str,
    days_zone: str | None,
) -> dict[str, Any]:
    """Return availability of all robots, and timelines of one page.

    Very large fleets are summarized for the current page only; the template says so.

    Args:
        robots: Queryset of the robots.
        ids: Ids of the robots, in the order of the page.
        bounds: Start and end of the range.
        page_number: Page of timelines.
        days_zone: Timezone of the days to show, the latest first; None for no days. The days also
            have the total, so that the history of all robots is read once.
    """
    try:
        span = TimeRange.of(*bounds)
        days = status_days(ids, span, zone_or_utc(days_zone)) if days_zone else None
    except InvalidRangeError as error:
        return {"range_error": error.message}
    page: Page[UUID] = Paginator(ids, _TIMELINES_PER_PAGE).get_page(page_number)
    summarized = ids if len(ids) <= _MAX_ROBOTS_SUMMARIZED else list(page)
    summaries = status_summaries(list(page) if days else summarized, span)
    summary = days[1] if days else summaries_total(summaries.values())
    robots_by_id = robots.in_bulk(list(page))
    shown = [robots_by_id[pk] for pk in page if pk in robots_by_id]
    return {
        "span": span,
        "summary": summary,
        "status_times": status_time_rows(summary),
        "robot_count": len(ids),
        "summarized_count": len(summarized),
        "page": page,
        "strips": strips_for(shown, summaries, span),
        "strip_width": STRIP_WIDTH,
        "strip_query": urlencode(
            {
                "start": span.start.isoformat(),
                "end": span.end.isoformat(),
                "max_segments": str(MAX_STRIP_SEGMENTS),
            }
        ),
        **(_days_context(days[0], days_zone) if days and days_zone else {}),
    }


def _days_context(days: list[tuple[TimeRange, StatusSummary]], zone: str) -> dict[str, Any]:
    rows = [(day.start.astimezone(zone_or_utc(zone)).date(), total) for day, total in days]
    return {"days": rows[::-1], "days_timezone": zone}


def _changes_context(
    request: HttpRequest,
    robots: Any,
    status: str,
    bounds: tuple[datetime, datetime],
    filters: dict[str, str],
) -> dict[str, Any]:
    before = _parse_time(request.GET.get("before", ""))
    rows = status_changes(
        request.user,
        robots=robots,
        status=status,
        start=bounds[0],
        end=bounds[1],
        before=before,
        limit=_CHANGES_PER_PAGE + 1,
    )
    shown = rows[:_CHANGES_PER_PAGE]
    more = (
        {**filters, "before": shown[-1].time.isoformat()} if len(rows) > _CHANGES_PER_PAGE else None
    )
    return {
        "changes": shown,
        "older_query": urlencode(more) if more else "",
        "newest_query": urlencode(filters) if before else "",
    }
