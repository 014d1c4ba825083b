"""Telemetry as charts: robots beside each other, any of their metrics, any range."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.utils import timezone
from django.utils.http import urlencode

from apps.robots.models import Robot
from apps.telemetry.choices import metric_of
from apps.telemetry.selectors import latest_values
from urfmp.common.exceptions import ApplicationError
from urfmp.common.units import check_units, kind_of, units_of_kind
from urfmp.pages.charts import Chart, Measured, charts_for, unit_sign
from urfmp.pages.range_form import RangeForm
from urfmp.pages.selectors import first_robot, robot_named
from urfmp.pages.views.rendering import page, require

_ROBOTS_AT_ONCE = 6
_LINES_AT_ONCE = 40
_OFFERED = 120


def telemetry_page(request: HttpRequest) -> HttpResponse:
    """Show what is chosen; the address holds all of it, and can be passed on."""
    require(request, "telemetry.view_robottelemetry")
    if "add" in request.GET:
        return _with_another_robot(request)
    robots = _robots(request)
    measured = _measured(robots)
    asked = dict.fromkeys(request.GET.getlist("metrics"))
    units = wanted_units(request)
    together = request.GET.get("layout") == "together"
    chosen = [one for one in measured if one.metric in asked] or _first_chart(measured)
    charts = charts_for(chosen[:_LINES_AT_ONCE], units, together=together)
    form = RangeForm(request.GET, default="1h")
    now = timezone.now()
    start, end = form.limits(now)
    find = request.GET.get("find", "").strip()
    return page(
        request,
        "pages/telemetry.html",
        "Telemetry",
        robots=robots,
        robot_names={str(robot.pk): robot.name for robot in robots},
        may_see_history=request.user.has_perm("robots.view_robotstatushistory"),
        may_see_alerts=request.user.has_perm("alerts.view_alert"),
        may_add=len(robots) < _ROBOTS_AT_ONCE,
        not_found=request.GET.get("unknown", "")[:100],
        **_choices(measured, {one.metric for one in chosen}, find),
        find=find,
        unit_choices=_unit_choices(chosen, units),
        units=units,
        together=together,
        charts=charts,
        may_export=request.user.has_perm("telemetry.export_robottelemetry"),
        chosen_names=[name for chart in charts for name in chart.metrics],
        left_out=max(len(chosen) - _LINES_AT_ONCE, 0),
        form=form,
        start=start,
        end=end,
        now=now,
        address=_address(
            robots, sorted(asked.keys() & {one.metric for one in chosen}), units, together=together
        ),
    )


def wanted_units(request: HttpRequest) -> list[str]:
    """Return the units that the address asks for; those that do not fit count as none."""
    units = [unit for unit in request.GET.getlist("unit") if unit]
    try:
        check_units(units)
    except ApplicationError:
        return []
    return units


def _address(robots: list[Robot], metrics: list[str], units: list[str], *, together: bool) -> str:
    """Return what is shown, as the page's address says it, without the range."""
    chosen = {"robot": [str(robot.pk) for robot in robots], "metrics": metrics, "unit": units}
    return urlencode({**chosen, "layout": ["together"] if together else []}, doseq=True)


def _with_another_robot(request: HttpRequest) -> HttpResponse:
    """Put the robot that the words mean into the address."""
    parameters: QueryDict = request.GET.copy()
    words = str(parameters.pop("add")[-1]).strip()
    parameters.pop("unknown", None)
    robot = robot_named(request.user, words) if words else None
    if robot is None and words:
        parameters["unknown"] = words
    elif robot is not None and str(robot.pk) not in parameters.getlist("robot"):
        parameters.appendlist("robot", str(robot.pk))
    return HttpResponseRedirect(f"{request.path}?{parameters.urlencode()}")


def _robots(request: HttpRequest) -> list[Robot]:
    wanted: list[UUID] = []
    for text in request.GET.getlist("robot"):
        try:
            wanted.append(UUID(text))
        except ValueError:
            continue
    rows: dict[UUID, Robot] = Robot.objects.restrict(request.user).in_bulk(wanted[:50])
    found = [rows[pk] for pk in dict.fromkeys(wanted) if pk in rows][:_ROBOTS_AT_ONCE]
    if not found and (first := first_robot(request.user)):
        found = [first]
    return found


def _measured(robots: list[Robot]) -> list[Measured]:
    names = {robot.pk: robot.name for robot in robots}
    order = list(names)
    values = sorted(latest_values(order), key=lambda value: order.index(value.robot_id))
    return [Measured(v.robot_id, names[v.robot_id], v.metric_name, v.unit) for v in values]


def _first_chart(measured: list[Measured]) -> list[Measured]:
    first: list[Chart] = charts_for(measured)[:1]
    names = set(first[0].metrics) if first else set()
    return [one for one in measured if one.metric in names]


def _choices(measured: list[Measured], chosen: set[str], find: str) -> dict[str, Any]:
    """Return the metrics to choose from by group: those chosen, then known ones or those found."""
    units: dict[str, str | None] = {one.metric: one.unit for one in measured}
    words = find.lower().split()

    def is_wanted(name: str) -> bool:
        known = metric_of(name)
        text = f"{name} {known.group} {known.label}".lower()
        return all(word in text for word in words)

    found = [name for name in units if name not in chosen and is_wanted(name)]
    # A name that nothing is known of stands behind those that people know.
    found.sort(key=lambda name: metric_of(name).group == name)
    offered = [*chosen & set(units), *found[:_OFFERED]]
    some = next((one.robot_id for one in measured), UUID(int=0))
    charts = charts_for(Measured(some, "", name, units[name]) for name in offered)
    return {
        "groups": [
            (
                chart.title,
                [(line.metric, line.label, line.metric in chosen) for line in chart.lines],
            )
            for chart in charts
        ],
        "metric_count": len(units),
        "hidden_count": len(found) - len(found[:_OFFERED]),
        "chosen_count": len(chosen),
    }


def _unit_choices(chosen: list[Measured], units: list[str]) -> list[dict[str, Any]]:
    """Return, for each kind of quantity that is shown, the units there are for it."""
    stored = dict.fromkeys(one.unit or metric_of(one.metric).unit for one in chosen)
    kinds = dict.fromkeys(kind for unit in stored if (kind := kind_of(unit)))
    return [
        {
            "kind": kind,
            "options": [
                (unit, unit_sign(unit) or unit, unit in units) for unit in units_of_kind(kind)
            ],
        }
        for kind in kinds
    ]
