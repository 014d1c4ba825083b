"""Robot page: status, telemetry, work, history and commands, in tabs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone

from apps.maintenance.selectors.schedules import robot_schedules
from apps.organizations.selectors import facility_timezone
from apps.robots.choices import CommandType
from apps.robots.models import Robot
from apps.robots.selectors.profiles import supported_command_types
from apps.robots.selectors.status_intervals import TimeRange
from apps.telemetry.selectors import latest_values
from urfmp.pages.range_form import RangeForm
from urfmp.pages.robot_tabs import RobotTab, may_open, tab_address
from urfmp.pages.rule_charts import rule_context
from urfmp.pages.selectors.panels import open_alerts
from urfmp.pages.selectors.robot_page import (
    MAX_COMMANDS,
    MAX_LATEST_COMMANDS,
    MAX_OPEN_TASKS,
    closed_tasks,
    robot_commands,
    robot_tasks,
)
from urfmp.pages.selectors.robots import can_view_telemetry
from urfmp.pages.timelines import status_changes, status_time_rows, timeline_for
from urfmp.pages.views.rendering import render_page, require_permission
from urfmp.pages.views.robot.charts import TILE_METRICS, robot_charts, value_tiles
from urfmp.pages.views.telemetry.charts import requested_units

_OVERVIEW_TIMELINE = timedelta(hours=24)
_HISTORY_TIMELINE = timedelta(days=7)
_MAX_CHANGES = 50
_OVERVIEW_CHARTS = 4
# Commands of the command bar, with their icons.
_BAR = (
    (CommandType.START, "play_arrow"),
    (CommandType.PAUSE, "pause"),
    (CommandType.RESUME, "resume"),
    (CommandType.STOP, "stop"),
    (CommandType.RUN_PROGRAM, "code"),
    (CommandType.MOVE_TO_POSITION, "open_with"),
)


def robot_page(request: HttpRequest, robot_id: UUID) -> HttpResponse:
    """Show a tab of a robot's page, 404 for other organizations."""
    require_permission(request, "robots.view_robot")
    user = request.user
    robot: Robot = get_object_or_404(
        Robot.objects.restrict(user).select_related("lease_user"), pk=robot_id
    )
    tab = _requested_tab(request)
    if tab == RobotTab.SETTINGS:
        return HttpResponseRedirect(tab_address(robot, tab))
    now = timezone.now()
    trail = [("Robots", reverse("admin:robots_robot_changelist"))]
    if tab != RobotTab.OVERVIEW:
        trail.append((robot.name, tab_address(robot, RobotTab.OVERVIEW)))
    return render_page(
        request,
        f"pages/robot/{tab}.html",
        robot.name if tab == RobotTab.OVERVIEW else str(tab.label),
        trail=trail,
        robot=robot,
        tab=tab,
        now=now,
        plant_timezone=facility_timezone(user, robot.facility),
        robot_names={str(robot.pk): robot.name},
        **_CONTEXTS[tab](request, robot, now),
    )


def _requested_tab(request: HttpRequest) -> RobotTab:
    """Return the tab of the address, or the overview."""
    name = request.GET.get("tab", "")
    tab = RobotTab(name) if name in RobotTab.values else RobotTab.OVERVIEW
    return tab if may_open(request.user, tab) else RobotTab.OVERVIEW


def _overview(request: HttpRequest, robot: Robot, now: datetime) -> dict[str, Any]:
    user = request.user
    alerts, alert_count = open_alerts(user, robot)
    return {
        **_chart_context(request, robot, now, _OVERVIEW_CHARTS),
        **_timeline_context(robot, TimeRange.of(now - _OVERVIEW_TIMELINE, now)),
        "location": robot.location or {},
        "alerts": alerts,
        "alert_count": alert_count,
        "tasks": robot_tasks(user, robot, 1),
        "commands": robot_commands(user, robot, MAX_LATEST_COMMANDS),
        "may_command": robot.is_active and user.has_perm("robots.add_robotcommand"),
        "bar_types": [pair for pair in _BAR if pair[0] in supported_command_types(robot)],
        "may_acknowledge": user.has_perm("alerts.acknowledge_alert"),
    }


def _telemetry(request: HttpRequest, robot: Robot, now: datetime) -> dict[str, Any]:
    return _chart_context(request, robot, now)


def _chart_context(
    request: HttpRequest, robot: Robot, now: datetime, limit: int | None = None
) -> dict[str, Any]:
    values = latest_values([robot.pk]) if can_view_telemetry(request.user) else []
    units = requested_units(request)
    charts, other_count = robot_charts(robot, values, units)
    shown = charts[:limit]
    names = TILE_METRICS.union(*(chart.metrics for chart in shown))
    form = RangeForm(request.GET, default="15m")
    start, end = form.bounds(now)
    return {
        "tiles": value_tiles(values, units),
        "latest": {v.metric_name: v.value for v in values if v.metric_name in names},
        "charts": shown,
        "hidden_charts": len(charts) - len(shown),
        "other_count": other_count,
        "units": units,
        "form": form,
        "start": start,
        "end": end,
        "may_see_history": request.user.has_perm("robots.view_robotstatushistory"),
        "may_see_alerts": request.user.has_perm("alerts.view_alert"),
        **rule_context(request.user, [robot] if robot.is_active else []),
        "query_string": "" if limit else f"tab={RobotTab.TELEMETRY}",
    }


def _timeline_context(robot: Robot, span: TimeRange) -> dict[str, Any]:
    timeline = timeline_for(robot.pk, span)
    return {
        "timeline": timeline,
        # The latest interval has the reason of the current status.
        "status_reason": timeline.last.reason if timeline.last else None,
        "summary": timeline.summary,
        "status_times": status_time_rows(timeline.summary),
        "span": span,
    }


def _work(request: HttpRequest, robot: Robot, now: datetime) -> dict[str, Any]:
    return {
        "tasks": robot_tasks(request.user, robot, MAX_OPEN_TASKS),
        "closed_tasks": closed_tasks(request.user, robot),
        "schedules": robot_schedules(request.user, robot),
    }


def _history(request: HttpRequest, robot: Robot, now: datetime) -> dict[str, Any]:
    user = request.user
    changes = status_changes(
        user,
        robots=Robot.objects.restrict(user).filter(pk=robot.pk),
        status="",
        start=None,
        end=None,
        before=None,
        limit=_MAX_CHANGES,
    )
    return {
        **_timeline_context(robot, TimeRange.of(now - _HISTORY_TIMELINE, now)),
        "changes": changes,
        "commands": robot_commands(user, robot, MAX_COMMANDS),
    }


_CONTEXTS = {
    RobotTab.OVERVIEW: _overview,
    RobotTab.TELEMETRY: _telemetry,
    RobotTab.WORK: _work,
    RobotTab.HISTORY: _history,
}
