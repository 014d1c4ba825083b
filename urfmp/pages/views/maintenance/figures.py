"""Maintenance figures, the tasks behind them and a CSV file."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from decimal import Decimal
from io import StringIO
from typing import Any
from uuid import UUID

from dateutil.relativedelta import relativedelta
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone
from django.utils.http import urlencode

from apps.maintenance.selectors.figures import (
    Figures,
    FigureScope,
    RobotFigures,
    TaskSummary,
    maintenance_figures,
)
from apps.robots.exceptions import InvalidRangeError
from apps.robots.models import Robot
from apps.robots.selectors.status_intervals import TimeRange
from urfmp.common.db.fields import MAX_DATETIME, MIN_DATETIME
from urfmp.common.time.local import start_of_day
from urfmp.pages.selectors.maintenance.figure_events import FigureEvents, figure_events
from urfmp.pages.views.maintenance.facilities import facility_filter
from urfmp.pages.views.rendering import render_page, require_permission

TITLE = "Maintenance figures"
# Summarizing the status history of more robots takes too long.
MAX_ROBOTS = 3_000
_MAX_CHOICES = 500
_MAX_ROWS = 50
_HOUR = timedelta(hours=1)
_COLUMNS = (
    "robot", "failures", "running_hours", "mtbf_hours", "mttr_hours", "availability",
    "completed_planned", "completed_unplanned", "planned_hours", "unplanned_hours", "cost",
    "cost_per_running_hour", "tasks_ever", "completed_ever", "overdue_now", "cost_ever",
)  # fmt: skip


class Preset(models.TextChoices):
    """A period that ends today, or with the last month."""

    MONTH = "month", "This month"
    LAST_MONTH = "last-month", "Last month"
    QUARTER = "90d", "90 days"
    YEAR = "12m", "12 months"


@dataclass(frozen=True)
class Days:
    """The local days of a period, both included.

    Attributes:
        first: First day.
        last: Last day.
        preset: Preset that it is; empty for days that the user entered.
        error: What is wrong with the days that the user entered.
    """

    first: date
    last: date
    preset: str
    error: str = ""


@dataclass(frozen=True)
class RobotRow:
    """Figures of a robot, and all its tasks of any time."""

    robot: Robot
    figures: RobotFigures
    summary: TaskSummary


def figures_page(request: HttpRequest) -> HttpResponseBase:
    """Show the figures of a facility, a robot or all robots.

    Invalid filters are ignored. Days are those of the selected facility, else of the organization.
    `?format=csv` is a file.
    """
    require_permission(request, "maintenance.view_maintenancetask")
    user: Any = request.user
    query = request.GET
    facilities = facility_filter(user, query)
    facility, zone = facilities.name, facilities.zone
    days = _days(query, timezone.now().astimezone(zone).date())
    rows = Robot.objects.restrict(user).order_by("name", "pk")
    if facility:
        rows = rows.filter(location__contains={"facility": facility})
    robots = list(rows.only("pk", "name", "organization_id")[: MAX_ROBOTS + 1])
    robot_id = _robot_id(query.get("robot", ""))
    selected = [robot for robot in robots if robot.pk == robot_id]
    kept: dict[str, str] = {
        "facility": facility,
        "robot": str(robot_id) if selected else "",
        **(
            {"period": days.preset}
            if days.preset
            else {"from": str(days.first), "to": str(days.last)}
        ),
    }
    context: dict[str, Any] = {
        "facilities": facilities.choices,
        "robots": robots[:_MAX_CHOICES],
        "selected": {"facility": facility, "robot": robot_id if selected else None},
        "days": days,
        "presets": [
            (preset, urlencode({**kept, "from": "", "to": "", "period": preset.value}))
            for preset in Preset
        ],
        "query": urlencode(kept),
        "plant_timezone": zone.key,
        "max_robots": MAX_ROBOTS,
    }
    with timezone.override(zone):
        try:
            scope = _scope(days, zone, selected or robots, has_other=not (selected or facility))
        except InvalidRangeError as error:
            context["days"] = Days(days.first, days.last, days.preset, error.message)
            return render_page(request, "pages/maintenance/figures.html", TITLE, **context).render()
        if len(scope.robot_ids) > MAX_ROBOTS:
            context["is_too_large"] = True
            return render_page(request, "pages/maintenance/figures.html", TITLE, **context).render()
        figures = maintenance_figures(user, scope)
        table = _rows(selected or robots, figures)
        if query.get("format") == "csv":
            return _csv(table, days)
        kind = query.get("show", "")
        if kind in FigureEvents.values:
            context["events"] = figure_events(user, scope, FigureEvents(kind))
        return render_page(
            request,
            "pages/maintenance/figures.html",
            TITLE,
            **context,
            figures=figures,
            rows=table[:_MAX_ROWS],
            hidden_rows=max(0, len(table) - _MAX_ROWS),
            months=list(figures.months.items()),
        ).render()


def _scope(days: Days, zone: tzinfo, robots: list[Robot], *, has_other: bool) -> FigureScope:
    end = start_of_day(days.last + timedelta(days=1), zone)
    return FigureScope(
        robot_ids=tuple(robot.pk for robot in robots),
        has_other_tasks=has_other,
        span=TimeRange.of(start_of_day(days.first, zone), end),
        now=timezone.now(),
        zone=zone,
    )


def _rows(robots: list[Robot], figures: Figures) -> list[RobotRow]:
    """Return the robots with the highest cost and most failures first."""
    rows = [
        RobotRow(robot, figures.robots[robot.pk], figures.summaries.get(robot.pk, TaskSummary()))
        for robot in robots
    ]
    return sorted(rows, key=lambda r: (-r.figures.work.cost, -r.figures.work.failures))


def _robot_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    # A day of margin: local days begin before or after those of UTC.
    is_bounded = MIN_DATETIME.date() < day < MAX_DATETIME.date() - timedelta(days=1)
    return day if is_bounded else None


def _days(query: Any, today: date) -> Days:
    preset = query.get("period", "")
    first, last = query.get("from", ""), query.get("to", "")
    if not preset and (first or last):
        start, end = _day(first), _day(last)
        if start is not None and end is not None and start <= end:
            return Days(start, end, "")
        error = "Enter a first day, and a last day that is not before it."
        return Days(*_preset_days(Preset.QUARTER, today), Preset.QUARTER, error)
    if preset not in Preset.values:
        preset = Preset.QUARTER.value
    return Days(*_preset_days(Preset(preset), today), preset)


def _preset_days(preset: Preset, today: date) -> tuple[date, date]:
    month = today.replace(day=1)
    if preset == Preset.MONTH:
        return month, today
    if preset == Preset.LAST_MONTH:
        return month - relativedelta(months=1), month - timedelta(days=1)
    if preset == Preset.YEAR:
        return month - relativedelta(months=11), today
    return today - timedelta(days=89), today


def _hours(time: timedelta | None) -> str:
    return "" if time is None else f"{time / _HOUR:.2f}"


def _number(value: float | Decimal | None, decimals: int) -> str:
    return "" if value is None else f"{value:.{decimals}f}"


def _safe_cell(text: str) -> str:
    """Return a text that spreadsheets do not take for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t")) else text


def _csv(rows: list[RobotRow], days: Days) -> HttpResponse:
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        work, summary = row.figures.work, row.summary
        writer.writerow(
            (
                _safe_cell(row.robot.name),
                work.failures,
                _hours(row.figures.running),
                _hours(row.figures.mean_time_between_failures),
                _hours(work.mean_time_to_restoration),
                _number(row.figures.status.availability, 4),
                work.planned,
                work.unplanned,
                _number(work.planned_minutes / 60, 2),
                _number(work.unplanned_minutes / 60, 2),
                _number(work.cost, 2),
                _number(row.figures.cost_per_running_hour, 4),
                summary.total_tasks,
                summary.completed_tasks,
                summary.overdue_tasks,
                _number(summary.total_cost, 2),
            )
        )
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    name = f"maintenance-figures-{days.first}-to-{days.last}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
