"""Positions of a facility's robots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Case, IntegerField, Max, QuerySet, Value, When

from apps.alerts.choices.alerts import AlertSeverity
from apps.alerts.models import Alert
from apps.alerts.selectors.alerts import severity_rank
from apps.organizations.models import Facility
from apps.robots.models import Robot
from apps.robots.selectors.availability import STATUS_SEVERITY
from apps.robots.selectors.driving import DRIVES_SQL, drives, drives_parameters
from apps.robots.selectors.places import robots_in_place
from apps.telemetry.selectors import latest_values
from urfmp.common.db.subqueries import named_subquery
from urfmp.pages.selectors.robots import can_view_telemetry

# More robots in a view are drawn as clusters.
MAX_ROBOTS = 300
# Clusters along the longer side of a view without a given size.
_DEFAULT_CLUSTERS = 24
_MAX_CLUSTERS = 40
_METRICS = ("position.x", "position.y", "position.rz")
_METRES = {"m": 1.0, "cm": 0.01}
_METRES_PER_MM = 0.001
# A robot can report any number. Positions beyond this are ignored, because a map with them would
# draw all other robots on one spot.
MAX_POSITION_METRES = 1e7
_MAX_HEADING = 1e7
_NO_ALERTS = "SELECT NULL::uuid AS robot_id, NULL::integer AS worst WHERE false"
# PostgreSQL rejects a product that is too small for a double.
_VALUE_SQL = "CASE WHEN abs(l.value) < 1e-9 THEN 0 ELSE l.value END"
_METRES_SQL = f"{_VALUE_SQL} * CASE l.unit WHEN 'm' THEN 1 WHEN 'cm' THEN 0.01 ELSE 0.001 END"

# One pass over the robots of the facility; the database writes the JSON. The planner cannot know
# how many robots a facility has, and would join them in nested loops: positions and alerts are
# looked up in one object each instead.
_MAP = f"""
    WITH wanted AS MATERIALIZED (
        SELECT *, {DRIVES_SQL} AS drives FROM ({{robots}}) AS robot
    ),
    positions AS (
        SELECT l.robot_id, jsonb_build_object(
            'x', max({_METRES_SQL}) FILTER (WHERE l.metric_name = 'position.x'),
            'y', max({_METRES_SQL}) FILTER (WHERE l.metric_name = 'position.y'),
            'heading', max(CASE l.unit WHEN 'deg' THEN radians({_VALUE_SQL}) ELSE {_VALUE_SQL} END)
                FILTER (WHERE l.metric_name = 'position.rz' AND abs(l.value) < {_MAX_HEADING}),
            'time', max(l.time)
        ) AS position
        FROM telemetry_latest l
        WHERE %(see_telemetry)s AND l.metric_name = ANY (%(metrics)s) AND l.value IS NOT NULL
        GROUP BY 1
    ),
    known AS MATERIALIZED (
        SELECT
            (SELECT jsonb_object_agg(robot_id, position) FROM positions
             WHERE abs((position ->> 'x')::float8) <= {MAX_POSITION_METRES}
               AND abs((position ->> 'y')::float8) <= {MAX_POSITION_METRES}) AS positions,
            (SELECT jsonb_object_agg(robot_id, worst) FROM ({{alerts}}) AS open) AS alerts
    ),
    robots_here AS MATERIALIZED (
        SELECT w.id, w.name, w.status, w.last_seen, w.location -> 'coordinates' AS entered,
               CASE WHEN w.drives THEN known.positions -> w.id::text END AS reported,
               (known.alerts ->> w.id::text)::integer AS worst
        FROM wanted w, known
    ),
    poses AS MATERIALIZED (
        SELECT id, name, status, worst, reported IS NOT NULL AS is_reported,
               CASE WHEN reported IS NOT NULL THEN (reported ->> 'x')::float8
                    WHEN jsonb_typeof(entered -> 'x_m') = 'number'
                    THEN (entered ->> 'x_m')::float8 END AS x,
               CASE WHEN reported IS NOT NULL THEN (reported ->> 'y')::float8
                    WHEN jsonb_typeof(entered -> 'y_m') = 'number'
                    THEN (entered ->> 'y_m')::float8 END AS y,
               CASE WHEN reported IS NOT NULL THEN (reported ->> 'heading')::float8
                    WHEN jsonb_typeof(entered -> 'theta_rad') = 'number'
                    THEN (entered ->> 'theta_rad')::float8 END AS heading,
               CASE WHEN reported IS NOT NULL THEN (reported ->> 'time')::timestamptz
                    ELSE last_seen END AS seen
        FROM robots_here
    ),
    extent AS (
        SELECT count(*) AS total, count(x) AS placed,
               min(x) AS left, min(y) AS bottom, max(x) AS right, max(y) AS top
        FROM poses
    ),
    inside AS MATERIALIZED (
        SELECT p.*
        FROM poses p
        WHERE p.x IS NOT NULL AND p.y IS NOT NULL AND (
            %(left)s::float8 IS NULL OR p.x >= %(left)s AND p.x <= %(right)s
            AND p.y >= %(bottom)s AND p.y <= %(top)s
        )
    ),
    grid AS (
        SELECT count(*) AS number, greatest(
            coalesce(%(cell)s::float8, 0),
            greatest(max(x) - min(x), max(y) - min(y))
                / CASE WHEN %(cell)s::float8 IS NULL THEN {_DEFAULT_CLUSTERS}
                       ELSE {_MAX_CLUSTERS} END,
            0.001
        ) AS cell
        FROM inside
    ),
    clusters AS (
        SELECT avg(x) AS x, avg(y) AS y, count(*) AS number,
               (%(statuses)s::text[])[min(array_position(%(statuses)s::text[], status::text))]
                   AS status,
               max(worst) AS worst
        FROM inside, grid
        WHERE grid.number > {MAX_ROBOTS}
        GROUP BY floor(inside.x / grid.cell), floor(inside.y / grid.cell)
    )
    SELECT json_build_object(
        'total', extent.total,
        'placed', extent.placed,
        'extent', CASE WHEN extent.placed > 0 THEN
            json_build_array(extent.left, extent.bottom, extent.right, extent.top) END,
        'robots', (
            SELECT coalesce(json_agg(json_build_array(
                id, name, status, round(x::numeric, 3), round(y::numeric, 3),
                round(heading::numeric, 3), extract(epoch FROM seen)::bigint,
                (%(severities)s::text[])[worst + 1], is_reported)), '[]'::json)
            FROM inside WHERE grid.number <= {MAX_ROBOTS}
        ),
        'clusters', (
            SELECT coalesce(json_agg(json_build_array(
                round(x::numeric, 3), round(y::numeric, 3), number, status,
                (%(severities)s::text[])[worst + 1])), '[]'::json)
            FROM clusters
        )
    )::text
    FROM extent, grid
"""  # noqa: S608 - constants


@dataclass(frozen=True)
class MapBox:
    """A part of a facility in metres, with the size of clusters."""

    left: float
    bottom: float
    right: float
    top: float
    cell: float


@dataclass(frozen=True)
class RobotPosition:
    """Where a robot is.

    Attributes:
        x_m: Position on the x axis of the facility.
        y_m: Position on the y axis.
        heading_rad: Heading, if known.
        is_reported: Whether the robot reports its position, else a user entered it.
    """

    x_m: float
    y_m: float
    heading_rad: float | None
    is_reported: bool


def facility_robots(principal: Any, facility: Facility) -> QuerySet[Any]:
    """Return a facility's visible robots in service."""
    return robots_in_place(
        Robot.objects.restrict(principal).in_service(), "facility", facility.name
    )


def robots_by_urgency(robots: QuerySet[Any]) -> QuerySet[Any]:
    """Return robots with the most severe status first, then by name."""
    ranks = [When(status=status, then=Value(n)) for n, status in enumerate(STATUS_SEVERITY)]
    rank = Case(*ranks, default=Value(len(ranks)), output_field=IntegerField())
    return robots.order_by(rank, "name", "id")


def map_json(principal: Any, facility: Facility, box: MapBox | None) -> bytes:
    """Return the robots in a part of a facility as JSON.

    Runs one query. `robots` has id, name, status, x, y, heading, last contact in seconds since
    1970, worst severity, and whether the position is reported. If the box has more than
    `MAX_ROBOTS`, `clusters` has x, y, number, worst status and worst severity instead.

    Args:
        principal: User whose visible robots are returned.
        facility: Facility that the user may view.
        box: Part of the facility; None for all of it.
    """
    columns = ("id", "name", "status", "vendor", "configuration", "location", "last_seen")
    robots, named = named_subquery(facility_robots(principal, facility).values(*columns), "robot")
    try:
        alerts, alert_named = named_subquery(_worst_alerts(principal), "alert")
    except EmptyResultSet:
        alerts, alert_named = _NO_ALERTS, {}
    values = {
        **named,
        **alert_named,
        **drives_parameters(),
        "metrics": list(_METRICS),
        "see_telemetry": can_view_telemetry(principal),
        "statuses": [str(status) for status in STATUS_SEVERITY],
        "severities": list(AlertSeverity.values),
        **{
            name: None if box is None else getattr(box, name)
            for name in ("left", "bottom", "right", "top", "cell")
        },
    }
    with connection.cursor() as cursor:
        cursor.execute(_MAP.format(robots=robots, alerts=alerts), values)
        return str(cursor.fetchone()[0]).encode()


def _worst_alerts(principal: Any) -> QuerySet[Any]:
    rows: QuerySet[Any] = (
        Alert.objects.restrict(principal)
        .unresolved()
        .filter(robot__isnull=False)
        .order_by()
        .values("robot_id")
        .annotate(worst=Max(severity_rank()))
        .values("robot_id", "worst")
    )
    return rows


def robot_positions(principal: Any, robots: list[Robot]) -> dict[UUID, RobotPosition]:
    """Return the positions of robots that have one; at most two queries."""
    found = {robot.pk: _entered_position(robot) for robot in robots}
    driving = [robot.pk for robot in robots if drives(robot)]
    if driving and can_view_telemetry(principal):
        values: dict[UUID, dict[str, float]] = {}
        for one in latest_values(driving, _METRICS):
            if one.value is None:
                continue
            number = one.value * _factor(one.metric_name, one.unit)
            if abs(number) <= _maximum(one.metric_name):
                values.setdefault(one.robot_id, {})[one.metric_name] = number
        for robot_id, known in values.items():
            if {"position.x", "position.y"} <= known.keys():
                found[robot_id] = RobotPosition(
                    known["position.x"], known["position.y"], known.get("position.rz"), True
                )
    return {robot_id: position for robot_id, position in found.items() if position is not None}


def _factor(metric: str, unit: str | None) -> float:
    if metric == "position.rz":
        return 1.0 if unit != "deg" else 0.017453292519943295
    return _METRES.get(unit or "", _METRES_PER_MM)


def _maximum(metric: str) -> float:
    return _MAX_HEADING if metric == "position.rz" else MAX_POSITION_METRES


def _entered_position(robot: Robot) -> RobotPosition | None:
    known = (robot.location or {}).get("coordinates") or {}
    x_m, y_m = known.get("x_m"), known.get("y_m")
    if not (isinstance(x_m, int | float) and isinstance(y_m, int | float)):
        return None
    return RobotPosition(x_m, y_m, known.get("theta_rad"), False)
