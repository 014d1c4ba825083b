"""One robot: how it is, how it was, what is wrong and what is due."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone

from apps.robots.models import Robot
from apps.robots.selectors.status_intervals import StatusRange
from apps.telemetry.choices import metric_of
from apps.telemetry.selectors import LatestValue, latest_values
from urfmp.common.units import conversion
from urfmp.pages.charts import Chart, Measured, charts_for, unit_sign
from urfmp.pages.range_form import RangeForm
from urfmp.pages.selectors import (
    open_alerts,
    robot_commands,
    robot_tasks,
    telemetry_is_visible,
)
from urfmp.pages.timelines import strips_for, time_rows
from urfmp.pages.views.rendering import page, require
from urfmp.pages.views.telemetry import wanted_units

_TIMELINE = timedelta(hours=24)
# A robot may send thousands of metrics: known ones come first, the others can be looked for.
_KNOWN_METRICS, _OTHER_METRICS = 100, 6
# The values that are worth a tile of their own, if the robot sends them.
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
            greatest = max(found, key=lambda value: value.value or 0.0)
            shown = conversion(greatest.unit, units)
            tiles.append(
                {
                    "label": label,
                    "metrics": " ".join(value.metric_name for value in found),
                    "value": shown.of(greatest.value),
                    "unit": unit_sign(shown.unit),
                    "shown": shown,
                    "time": greatest.time,
                }
            )
    return tiles[:6]


def _charts(robot: Robot, values: list[LatestValue], units: list[str]) -> tuple[list[Chart], int]:
    """Return the charts to begin with, and how many metrics have no place on them."""
    known = [v for v in values if metric_of(v.metric_name).group != v.metric_name]
    others = [v for v in values if metric_of(v.metric_name).group == v.metric_name]
    shown = [*known[:_KNOWN_METRICS], *others[:_OTHER_METRICS]]
    charts = charts_for(
        (Measured(robot.pk, robot.name, value.metric_name, value.unit) for value in shown), units
    )
    return charts, len(values) - len(shown)


def robot_page(request: HttpRequest, robot_id: UUID) -> HttpResponse:
    """Show a robot with live values; another organization's is not found."""
    require(request, "robots.view_robot")
    user = request.user
    robot: Robot = get_object_or_404(Robot.objects.restrict(user), pk=robot_id)
    values = latest_values([robot.pk]) if telemetry_is_visible(user) else []
    now = timezone.now()
    units = wanted_units(request)
    charts, other_count = _charts(robot, values, units)
    drawn = {name for chart in charts for name in chart.metrics}
    form = RangeForm(request.GET, default="15m")
    start, end = form.limits(now)
    alerts, alert_count = open_alerts(user, robot)
    span = StatusRange.of(now - _TIMELINE, now)
    strip = strips_for([robot.pk], span)[robot.pk]
    return page(
        request,
        "pages/robot.html",
        robot.name,
        robot=robot,
        # The change that the robot's status stands on says why.
        reason=strip.last.reason if strip.last else None,
        location=robot.location or {},
        tiles=_tiles(values, units),
        latest={v.metric_name: v.value for v in values if v.metric_name in drawn},
        charts=charts,
        other_count=other_count,
        units=units,
        form=form,
        start=start,
        end=end,
        strip=strip,
        rows=time_rows(strip.summary),
        summary=strip.summary,
        span=span,
        now=now,
        alerts=alerts,
        alert_count=alert_count,
        tasks=robot_tasks(user, robot),
        commands=robot_commands(user, robot),
        may_edit=user.has_perm("robots.change_robot"),
        robot_names={str(robot.pk): robot.name},
        may_see_history=user.has_perm("robots.view_robotstatushistory"),
        may_see_alerts=user.has_perm("alerts.view_alert"),
        may_see_record=user.has_perm("audit.view_auditlog"),
        may_acknowledge=user.has_perm("alerts.acknowledge_alert"),
        may_plan=user.has_perm("maintenance.add_maintenancetask"),
    )
