"""Latest values and charts of a robot."""

from __future__ import annotations

from apps.robots.models import Robot
from apps.telemetry.choices import metric_info
from apps.telemetry.selectors import LatestValue
from urfmp.common.units import conversion_for
from urfmp.pages.charts import Chart, RobotMetric, charts_for, unit_symbol

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
TILE_METRICS = frozenset(name for _, names in _TILES for name in names)


def value_tiles(values: list[LatestValue], units: list[str]) -> list[dict[str, object]]:
    """Return the values that an operator looks at first."""
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


def robot_charts(
    robot: Robot, values: list[LatestValue], units: list[str]
) -> tuple[list[Chart], int]:
    """Return the default charts and the number of metrics left off them."""
    known = [v for v in values if metric_info(v.metric_name).group != v.metric_name]
    others = [v for v in values if metric_info(v.metric_name).group == v.metric_name]
    shown = [*known[:_MAX_KNOWN_METRICS], *others[:_MAX_OTHER_METRICS]]
    charts = charts_for(
        (RobotMetric(robot.pk, robot.name, value.metric_name, value.unit) for value in shown), units
    )
    return charts, len(values) - len(shown)
