"""Grouping of metrics into charts, and their display units."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from apps.telemetry.choices import metric_info
from urfmp.common.units import conversion_for

# Display symbols of UCUM codes that are not commonly written as they are.
UNIT_SYMBOLS = {
    "Cel": "°C", "[degF]": "°F", "count": "", "deg": "°", "deg/s": "°/s", "Ohm": "Ω", "1": "",
    "{rev}/min": "rpm", "/min": "1/min", "[in_i]": "in", "[ft_i]": "ft", "[psi]": "psi",
    "[lbf_av]": "lbf", "[lbf_av].[ft_i]": "lbf·ft", "[lb_av]": "lb",
}  # fmt: skip
# Groups of boolean metrics, drawn as steps.
_BOOLEAN_GROUPS = frozenset({"Safety", "Production states", "Battery state"})
_GROUP_ORDER = (
    "Temperatures", "Battery", "Joint currents", "Power", "Supply", "Supply currents",
    "Joint velocities", "Velocity", "Mission", "Path deviation", "Joint torques", "Joint angles",
    "Pose", "Production", "Production states", "Safety", "Battery voltage", "Battery state",
)  # fmt: skip


def unit_symbol(unit: str | None) -> str:
    """Return the display symbol of a UCUM code."""
    return UNIT_SYMBOLS.get(unit or "", unit or "")


class RobotMetric(NamedTuple):
    """A metric of one robot, in the unit that the robot sends."""

    robot_id: UUID
    robot_name: str
    metric: str
    unit: str | None


@dataclass(frozen=True)
class ChartLine:
    """A line on a chart.

    Displayed values are `stored * factor + offset`.

    Attributes:
        robot: Id of the robot.
        metric: Name of the metric.
        label: Text in the legend.
        unit: Symbol of the displayed unit.
        factor: Factor of the unit conversion.
        offset: Offset of the unit conversion.
        axis: 0 for the left axis, 1 for the right axis.
        colour: Index into the colour palette.
        dash: Index into the dash patterns.
    """

    robot: str
    metric: str
    label: str
    unit: str
    factor: float
    offset: float
    axis: int
    colour: int
    dash: int


@dataclass(frozen=True)
class Chart:
    """Lines that share one drawing area.

    Attributes:
        title: Names of the quantities on the chart.
        units: Unit symbols of the left axis and, if there is one, the right axis.
        is_boolean: Whether the values are yes or no.
        lines: Lines in the order of the legend.
    """

    title: str
    units: tuple[str, ...]
    is_boolean: bool
    lines: list[ChartLine] = field(default_factory=list)

    @property
    def unit(self) -> str:
        """All units as one text."""
        return ", ".join(unit for unit in self.units if unit)

    @property
    def metrics(self) -> list[str]:
        """Metric names in the order of the legend, without duplicates."""
        return list(dict.fromkeys(line.metric for line in self.lines))

    @property
    def lines_json(self) -> str:
        """The lines as JSON for the script of the page."""
        return json.dumps([asdict(line) for line in self.lines])


def _natural_sort_key(name: str) -> list[int | str]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


class _DisplayedMetric(NamedTuple):
    source: RobotMetric
    group: str
    label: str
    is_boolean: bool
    unit: str
    factor: float
    offset: float


def _displayed(source: RobotMetric, units: list[str]) -> _DisplayedMetric:
    info = metric_info(source.metric)
    if info.group in _BOOLEAN_GROUPS:
        return _DisplayedMetric(source, info.group, info.label, True, "", 1.0, 0.0)
    target = conversion_for(source.unit or info.unit, units)
    symbol = unit_symbol(target.unit)
    return _DisplayedMetric(
        source, info.group, info.label, False, symbol, target.factor, target.offset
    )


def charts_for(
    metrics: Iterable[RobotMetric], units: Sequence[str] = (), *, combined: bool = False
) -> list[Chart]:
    """Group metrics into charts, the most important quantities first.

    Args:
        metrics: Metrics to draw.
        units: UCUM codes of the units to display, at most one for each quantity.
        combined: Combine quantities on one chart while two axes are enough. Otherwise each
            quantity and unit gets its own chart.
    """
    rank = {title: number for number, title in enumerate(_GROUP_ORDER)}
    displayed = [_displayed(metric, list(units)) for metric in metrics]
    displayed.sort(
        key=lambda d: (rank.get(d.group, len(rank)), d.group, _natural_sort_key(d.source.metric))
    )
    groups = _group_by_axes(displayed) if combined else _group_by_quantity(displayed)
    return [_chart(group) for group in groups]


def _group_by_quantity(displayed: list[_DisplayedMetric]) -> list[list[_DisplayedMetric]]:
    quantities: dict[Any, list[_DisplayedMetric]] = {}
    for metric in displayed:
        quantities.setdefault((metric.group, metric.unit), []).append(metric)
    return list(quantities.values())


def _group_by_axes(displayed: list[_DisplayedMetric]) -> list[list[_DisplayedMetric]]:
    """Return one group per chart: at most two units, booleans separate."""
    charts: list[list[_DisplayedMetric]] = []
    for metric in displayed:
        for group in charts:
            units = {other.unit for other in group} | {metric.unit}
            if group[0].is_boolean == metric.is_boolean and len(units) <= 2:
                group.append(metric)
                break
        else:
            charts.append([metric])
    return charts


def _chart(displayed: list[_DisplayedMetric]) -> Chart:
    units = tuple(dict.fromkeys(metric.unit for metric in displayed))
    groups = list(dict.fromkeys(metric.group for metric in displayed))
    names = list(dict.fromkeys(metric.source.metric for metric in displayed))
    robots = list(dict.fromkeys(metric.source.robot_id for metric in displayed))
    title = " and ".join(groups) if len(groups) < 3 else f"{groups[0]} and {len(groups) - 1} others"
    chart = Chart(title, units, displayed[0].is_boolean)
    for metric in displayed:
        source = metric.source
        name_index, robot_index = names.index(source.metric), robots.index(source.robot_id)
        # Colours distinguish metrics, dashes robots. A single metric has a colour per robot.
        colour, dash = (robot_index, 0) if len(names) == 1 else (name_index, robot_index)
        words = [
            source.robot_name if len(robots) > 1 else "",
            metric.group if len(groups) > 1 and metric.group != metric.label else "",
            metric.label if len(names) > 1 or len(robots) == 1 else "",
        ]
        chart.lines.append(
            ChartLine(
                robot=str(source.robot_id),
                metric=source.metric,
                label=" · ".join(filter(None, words)),
                unit=metric.unit,
                factor=metric.factor,
                offset=metric.offset,
                axis=units.index(metric.unit),
                colour=colour,
                dash=dash,
            )
        )
    return chart
