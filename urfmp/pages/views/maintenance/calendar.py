"""Maintenance calendar: month, week, agenda and day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from apps.accounts.models import User
from apps.organizations.choices import MaintenanceType
from urfmp.common.rendering.formats import format_date, format_month
from urfmp.pages.selectors.maintenance.calendar import calendar_days, overdue_count
from urfmp.pages.selectors.maintenance.entries import (
    MAX_COUNTED_TASKS,
    UNASSIGNED,
    CalendarDay,
    CalendarFilter,
)
from urfmp.pages.selectors.maintenance.periods import (
    CalendarView,
    Period,
    parse_day,
    period_of,
)
from urfmp.pages.views.maintenance.facilities import facility_filter
from urfmp.pages.views.rendering import render_page, require_permission

TITLE = "Calendar"
_ME = "me"
_MAX_CHOICES = 500


@dataclass(frozen=True)
class DayCell:
    """A day of the page.

    Attributes:
        date: The day.
        day: Its entries.
        is_today: Whether it is today at the place.
        is_outside: Whether it belongs to the month before or after.
    """

    date: date
    day: CalendarDay
    is_today: bool
    is_outside: bool

    @property
    def iso(self) -> str:
        """The day for a URL."""
        return self.date.isoformat()

    @property
    def weekday(self) -> str:
        """Short name of the weekday."""
        return f"{self.date:%a}"

    @property
    def month(self) -> str:
        """Month and year."""
        return f"{self.date:%b} {self.date.year}"


def calendar_page(request: HttpRequest) -> HttpResponse:
    """Show tasks and planned dates by day. Invalid filters are ignored.

    Days and times are those of the selected facility, else of the organization.
    """
    require_permission(request, "maintenance.view_maintenancetask")
    user: Any = request.user
    query = request.GET
    facilities = facility_filter(user, query)
    facility, zone = facilities.name, facilities.zone
    assignees = _assignees(user)
    assignee = query.get("assignee", "") if query.get("assignee") in dict(assignees) else ""
    kind = query.get("type", "") if query.get("type") in MaintenanceType.values else ""
    filters = CalendarFilter(facility, _assignee_value(user, assignee), kind)
    view = CalendarView(
        query["view"] if query.get("view") in CalendarView.values else CalendarView.MONTH
    )
    today = timezone.now().astimezone(zone).date()
    period = period_of(view, parse_day(query.get("date", ""), today))
    kept = {
        name: value
        for name, value in (("facility", facility), ("assignee", assignee), ("type", kind))
        if value
    }
    # The clocks of the page are those of the place, whatever timezone the user has.
    with timezone.override(zone):
        days, is_cut = calendar_days(user, period, zone, filters)
        overdue = overdue_count(user, filters)
        response = render_page(
            request,
            "pages/maintenance/calendar.html",
            TITLE,
            period=period,
            heading=_heading(period),
            cells=[
                DayCell(day, entries, day == today, _is_outside(period, day))
                for day, entries in zip(period.days, days, strict=True)
            ],
            is_empty=all(day.is_empty for day in days),
            is_cut=is_cut,
            today=today,
            overdue=overdue,
            is_overdue_cut=overdue >= MAX_COUNTED_TASKS,
            overdue_address=_list_address(user, facility, assignee, kind),
            anchor=period.anchor.isoformat(),
            views=[(choice, _query(choice, period.anchor, kept)) for choice in CalendarView],
            previous_query=_query(view, period.previous, kept),
            next_query=_query(view, period.next, kept),
            today_query=_query(view, today, kept),
            filter_query=urlencode(kept),
            here=f"{request.path}?{_query(view, period.anchor, kept)}",
            facilities=facilities.choices,
            assignees=assignees,
            types=MaintenanceType.choices,
            selected={"facility": facility, "assignee": assignee, "type": kind},
            plant_timezone=zone.key,
        )
        return response.render()


def _is_outside(period: Period, day: date) -> bool:
    return period.view == CalendarView.MONTH and day.month != period.anchor.month


def _query(view: CalendarView, day: Any, kept: dict[str, str]) -> str:
    return urlencode({"view": view, "date": day.isoformat(), **kept})


def _heading(period: Period) -> str:
    if period.view == CalendarView.MONTH:
        return format_month(period.anchor)
    if period.view == CalendarView.DAY:
        return f"{period.anchor:%A}, {format_date(period.anchor)}"
    return f"{format_date(period.days[0])} to {format_date(period.days[-1])}"


def _assignees(user: Any) -> list[tuple[str, str]]:
    """Return the choices of the filter.

    A role that may not list users can select only itself.
    """
    users = User.objects.restrict(user).filter(is_active=True).order_by("email")
    return [
        (_ME, "Me"),
        (UNASSIGNED, "Unassigned"),
        *((str(other.pk), str(other)) for other in users[:_MAX_CHOICES] if other.pk != user.pk),
    ]


def _assignee_value(user: Any, selected: str) -> UUID | str | None:
    if selected == _ME:
        return UUID(str(user.pk))
    if selected in {"", UNASSIGNED}:
        return selected or None
    return UUID(selected)


def _list_address(user: Any, facility: str, assignee: str, kind: str) -> str:
    """Return the address of the overdue tasks in the task list."""
    values = {"due": "overdue"}
    if kind:
        values["type__exact"] = kind
    if assignee and assignee != UNASSIGNED:
        values["assigned_to__id__exact"] = str(user.pk) if assignee == _ME else assignee
    return f"{reverse('admin:maintenance_maintenancetask_changelist')}?{urlencode(values)}"
