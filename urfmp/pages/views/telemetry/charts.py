"""Telemetry page: charts that compare robots and metrics over any range."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.utils import timezone
from django.utils.http import urlencode

from apps.robots.models import Robot
from apps.telemetry.choices import metric_info
from apps.telemetry.selectors import latest_values
from urfmp.common.exceptions import ApplicationError
from urfmp.common.units import check_units, quantity_of, units_of_quantity
from urfmp.pages.charts import Chart, RobotMetric, charts_for, unit_symbol
from urfmp.pages.range_form import RangeForm
from urfmp.pages.rule_charts import rule_context
from urfmp.pages.selectors.robots import default_robot, find_robot
from urfmp.pages.views.rendering import render_page, require_permission

_MAX_ROBOTS = 6
_MAX_LINES = 40
_MAX_OFFERED_METRICS = 120


def telemetry_page(request: HttpRequest) -> HttpResponse:
    """Show the selected charts.

    The URL contains the whole selection, so that it can be shared.
    """
    require_permission(request, "telemetry.view_robottelemetry")
    if "add" in request.GET:
        return _redirect_with_added_robot(request)
    robots = _requested_robots(request)
    metrics = _robot_metrics(robots)
    requested = dict.fromkeys(request.GET.getlist("metrics"))
    units = requested_units(request)
    combined = request.GET.get("layout") == "combined"
    selected = [m for m in metrics if m.metric in requested] or _default_metrics(metrics)
    charts = charts_for(selected[:_MAX_LINES], units, combined=combined)
    form = RangeForm(request.GET, default="1h")
    now = timezone.now()
    start, end = form.bounds(now)
    search = request.GET.get("find", "").strip()
    return render_page(
        request,
        "pages/telemetry.html",
        "Telemetry",
        robots=robots,
        robot_names={str(robot.pk): robot.name for robot in robots},
        may_see_history=request.user.has_perm("robots.view_robotstatushistory"),
        may_see_alerts=request.user.has_perm("alerts.view_alert"),
        **rule_context(request.user, robots),
        may_add_robot=len(robots) < _MAX_ROBOTS,
        unknown_robot=request.GET.get("unknown", "")[:100],
        **_metric_choices(metrics, {m.metric for m in selected}, search),
        search=search,
        unit_choices=_unit_choices(selected, units),
        units=units,
        combined=combined,
        charts=charts,
        may_export=request.user.has_perm("telemetry.export_robottelemetry"),
        may_correct=request.user.has_perm("telemetry.correct_robottelemetry"),
        may_import=request.user.has_perm("telemetry.view_telemetryimport"),
        selected_metrics=[name for chart in charts for name in chart.metrics],
        omitted_lines=max(len(selected) - _MAX_LINES, 0),
        form=form,
        start=start,
        end=end,
        now=now,
        query_string=_query_string(
            robots,
            sorted(requested.keys() & {m.metric for m in selected}),
            units,
            combined=combined,
        ),
    )


def requested_units(request: HttpRequest) -> list[str]:
    """Return the requested units, or none if they are invalid."""
    units = [unit for unit in request.GET.getlist("unit") if unit]
    try:
        check_units(units)
    except ApplicationError:
        return []
    return units


def _query_string(
    robots: list[Robot], metrics: list[str], units: list[str], *, combined: bool
) -> str:
    """Return the selection as a query string, without the time range."""
    selection = {"robot": [str(robot.pk) for robot in robots], "metrics": metrics, "unit": units}
    return urlencode({**selection, "layout": ["combined"] if combined else []}, doseq=True)


def _redirect_with_added_robot(request: HttpRequest) -> HttpResponse:
    """Redirect to the URL with the found robot added."""
    parameters: QueryDict = request.GET.copy()
    text = str(parameters.pop("add")[-1]).strip()
    parameters.pop("unknown", None)
    robot = find_robot(request.user, text) if text else None
    if robot is None and text:
        parameters["unknown"] = text
    elif robot is not None and str(robot.pk) not in parameters.getlist("robot"):
        parameters.appendlist("robot", str(robot.pk))
    return HttpResponseRedirect(f"{request.path}?{parameters.urlencode()}")


def _requested_robots(request: HttpRequest) -> list[Robot]:
    requested: list[UUID] = []
    for text in request.GET.getlist("robot"):
        try:
            requested.append(UUID(text))
        except ValueError:
            continue
    rows: dict[UUID, Robot] = Robot.objects.restrict(request.user).in_bulk(requested[:50])
    found = [rows[pk] for pk in dict.fromkeys(requested) if pk in rows][:_MAX_ROBOTS]
    if not found and (first := default_robot(request.user)):
        found = [first]
    return found


def _robot_metrics(robots: list[Robot]) -> list[RobotMetric]:
    names = {robot.pk: robot.name for robot in robots}
    order = list(names)
    values = sorted(latest_values(order), key=lambda value: order.index(value.robot_id))
    return [RobotMetric(v.robot_id, names[v.robot_id], v.metric_name, v.unit) for v in values]


def _default_metrics(metrics: list[RobotMetric]) -> list[RobotMetric]:
    first: list[Chart] = charts_for(metrics)[:1]
    names = set(first[0].metrics) if first else set()
    return [m for m in metrics if m.metric in names]


def _metric_choices(metrics: list[RobotMetric], selected: set[str], search: str) -> dict[str, Any]:
    """Return the metrics on offer by group: selected ones, then search matches."""
    units: dict[str, str | None] = {m.metric: m.unit for m in metrics}
    words = search.lower().split()

    def matches(name: str) -> bool:
        known = metric_info(name)
        text = f"{name} {known.group} {known.label}".lower()
        return all(word in text for word in words)

    found = [name for name in units if name not in selected and matches(name)]
    # Metrics in the catalogue come before unknown ones.
    found.sort(key=lambda name: metric_info(name).group == name)
    offered = [*selected & set(units), *found[:_MAX_OFFERED_METRICS]]
    any_robot = next((m.robot_id for m in metrics), UUID(int=0))
    charts = charts_for(RobotMetric(any_robot, "", name, units[name]) for name in offered)
    return {
        "groups": [
            (
                chart.title,
                [(line.metric, line.label, line.metric in selected) for line in chart.lines],
            )
            for chart in charts
        ],
        "metric_count": len(units),
        "hidden_count": len(found) - len(found[:_MAX_OFFERED_METRICS]),
        "selected_count": len(selected),
    }


def _unit_choices(selected: list[RobotMetric], units: list[str]) -> list[dict[str, Any]]:
    """Return the available units for each displayed quantity."""
    stored = dict.fromkeys(one.unit or metric_info(one.metric).unit for one in selected)
    quantities = dict.fromkeys(q for unit in stored if (q := quantity_of(unit)))
    return [
        {
            "quantity": quantity,
            "options": [
                (unit, unit_symbol(unit) or unit, unit in units)
                for unit in units_of_quantity(quantity)
            ],
        }
        for quantity in quantities
    ]
