"""Robot page: status, telemetry, open alerts, tasks and commands of one robot."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone

from apps.organizations.selectors import facility_timezone
from apps.robots.models import Robot
from apps.robots.selectors.status_intervals import TimeRange
from apps.telemetry.choices import metric_info
from apps.telemetry.selectors import LatestValue, latest_values
from urfmp.common.units import conversion_for
from urfmp.pages.charts import Chart, RobotMetric, charts_for, unit_symbol
from urfmp.pages.range_form import RangeForm
from urfmp.pages.selectors.panels import open_alerts, robot_commands, robot_tasks
from urfmp.pages.selectors.robots import can_view_telemetry
from urfmp.pages.timelines import status_time_rows, timeline_for
from urfmp.pages.views.rendering import render_page, require_permission
from urfmp.pages.views.telemetry.charts import requested_units

_TIMELINE_LENGTH = timedelta(hours=24)
# A robot may send thousands of metrics: known ones come first, others are found by search.
_MAX_KNOWN_METRICS = 100
_MAX_OTHER_METRICS = 6
_MAX_TILES = 6
# Values that get a tile if the robot sends them, in this order.
_TILES = (
    ("Battery", ("battery.charge",)),
    ("Hottest motor", tuple(f"temperature.motor.joint{number}" for number in range(1, 13))),
    ("Controller", ("temperature.controller",)),
    ("Power", ("power.total",)),
    ("Robot current", ("current.total",)),
    ("Supply voltage", ("voltage.supply",)),
    ("Speed", ("velocity.linear.magnitude",)),
    ("Cycles", ("cycle.count",)),
    ("Mission", ("navigation.mission_progress",)),
    ("Battery health", ("battery.health",)),
)


def _tiles(values: list[LatestValue], units: list[str]) -> list[dict[str, object]]:
    known = {value.metric_name: value for value in values if value.value is not None}
    tiles: list[dict[str, object]] = []
    for label, names in _TILES:
        found = [known[name] for name in names if name in known]
        if found:
            highest = max(found, key=lambda value: value.value or 0.0)
            shown = conversion_for(highest.unit, units)
            tiles.append(
                {
                    "label": label,
                    "metrics": " ".join(value.metric_name for value in found),
                    "value": shown.convert(highest.value),
                    "unit": unit_symbol(shown.unit),
                    "shown": shown,
                    "time": highest.time,
                    "decimals": 0 if shown.unit == "count" else None,
                }
            )
    return tiles[:_MAX_TILES]


def _charts(robot: Robot, values: list[LatestValue], units: list[str]) -> tuple[list[Chart], int]:
    """Return the default charts and the number of metrics left off them."""
    known = [v for v in values if metric_info(v.metric_name).group != v.metric_name]
    others = [v for v in values if metric_info(v.metric_name).group == v.metric_name]
    shown = [*known[:_MAX_KNOWN_METRICS], *others[:_MAX_OTHER_METRICS]]
    charts = charts_for(
        (RobotMetric(robot.pk, robot.name, value.metric_name, value.unit) for value in shown), units
    )
    return charts, len(values) - len(shown)


def robot_page(request: HttpRequest, robot_id: UUID) -> HttpResponse:
    """Show a robot with live values. Robots of other organizations get 404."""
    require_permission(request, "robots.view_robot")
    user = request.user
    robot: Robot = get_object_or_404(Robot.objects.restrict(user), pk=robot_id)
    values = latest_values([robot.pk]) if can_view_telemetry(user) else []
    now = timezone.now()
    units = requested_units(request)
    charts, other_count = _charts(robot, values, units)
    drawn = {name for chart in charts for name in chart.metrics}
    form = RangeForm(request.GET, default="15m")
    start, end = form.bounds(now)
    alerts, alert_count = open_alerts(user, robot)
    span = TimeRange.of(now - _TIMELINE_LENGTH, now)
    timeline = timeline_for(robot.pk, span)
    may_see_history = user.has_perm("robots.view_robotstatushistory")
    return render_page(
        request,
        "pages/robot.html",
        robot.name,
        trail=[("Robots", reverse("admin:robots_robot_changelist"))],
        robot=robot,
        plant_timezone=facility_timezone(user, robot.facility),
        # The latest status change has the reason of the current status.
        reason=timeline.last.reason if timeline.last and may_see_history else None,
        location=robot.location or {},
        tiles=_tiles(values, units),
        latest={v.metric_name: v.value for v in values if v.metric_name in drawn},
        charts=charts,
        other_count=other_count,
        units=units,
        form=form,
        start=start,
        end=end,
        timeline=timeline,
        status_times=status_time_rows(timeline.summary),
        summary=timeline.summary,
        span=span,
        now=now,
        alerts=alerts,
        alert_count=alert_count,
        tasks=robot_tasks(user, robot),
        commands=robot_commands(user, robot),
        may_edit=user.has_perm("robots.change_robot"),
        robot_names={str(robot.pk): robot.name},
        may_see_history=may_see_history,
        may_see_alerts=user.has_perm("alerts.view_alert"),
        may_see_audit_log=user.has_perm("audit.view_auditlog"),
        may_acknowledge=user.has_perm("alerts.acknowledge_alert"),
        may_plan=user.has_perm("maintenance.add_maintenancetask"),
    )
