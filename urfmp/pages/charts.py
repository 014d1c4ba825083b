"""How metrics are put together on charts, and in which units they are shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from apps.telemetry.choices import metric_of
from urfmp.common.units import conversion

# UCUM codes that people write otherwise.
UNIT_SIGNS = {
    "Cel": "°C", "[degF]": "°F", "count": "", "deg": "°", "deg/s": "°/s", "Ohm": "Ω", "1": "",
    "{rev}/min": "rpm", "/min": "1/min", "[in_i]": "in", "[ft_i]": "ft", "[psi]": "psi",
    "[lbf_av]": "lbf", "[lbf_av].[ft_i]": "lbf·ft", "[lb_av]": "lb",
}  # fmt: skip
# Yes or no; drawn as steps.
_FLAG_GROUPS = frozenset({"Safety", "Production states", "Battery state"})
_ORDER = (
    "Temperatures", "Battery", "Joint currents", "Power", "Supply", "Supply currents",
    "Joint velocities", "Velocity", "Mission", "Path deviation", "Joint torques", "Joint angles",
    "Pose", "Production", "Production states", "Safety", "Battery voltage", "Battery state",
)  # fmt: skip


def unit_sign(unit: str | None) -> str:
    """Return a unit as people write it."""
    return UNIT_SIGNS.get(unit or "", unit or "")


class Measured(NamedTuple):
    """One robot's metric, in the unit in which it is sent."""

    robot_id: UUID
    robot_name: str
    metric: str
    unit: str | None


@dataclass(frozen=True)
class Line:
    """A line on a chart.

    Attributes:
        robot: The robot's id.
        metric: The metric's name.
        label: What it is called in the legend.
        unit: As people write it.
        factor: A stored value times this,
        offset: plus this, is the shown one.
        axis: 0 for the axis on the left, 1 for the one on the right.
        colour: Number of its colour.
        dash: Number of its pattern of dashes.
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
    """What is drawn together.

    Attributes:
        title: What is measured.
        units: As people write them: of the axis on the left, of the one on the right.
        is_flag: Whether the values are yes or no.
        lines: In the order of the legend.
    """

    title: str
    units: tuple[str, ...]
    is_flag: bool
    lines: list[Line] = field(default_factory=list)

    @property
    def unit(self) -> str:
        """The units in one."""
        return ", ".join(unit for unit in self.units if unit)

    @property
    def metrics(self) -> list[str]:
        """The names of its metrics, in order."""
        return list(dict.fromkeys(line.metric for line in self.lines))

    @property
    def lines_json(self) -> str:
        """The lines for the page's script."""
        return json.dumps([asdict(line) for line in self.lines])


def _natural(name: str) -> list[int | str]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


class _Shown(NamedTuple):
    measured: Measured
    group: str
    label: str
    is_flag: bool
    unit: str
    factor: float
    offset: float


def _shown(one: Measured, wanted: list[str]) -> _Shown:
    known = metric_of(one.metric)
    if is_flag := known.group in _FLAG_GROUPS:
        return _Shown(one, known.group, known.label, is_flag, "", 1.0, 0.0)
    target = conversion(one.unit or known.unit, wanted)
    sign = unit_sign(target.unit)
    return _Shown(one, known.group, known.label, is_flag, sign, target.factor, target.offset)


def charts_for(
    measured: Iterable[Measured], units: Sequence[str] = (), *, together: bool = False
) -> list[Chart]:
    """Put metrics together on charts, what people look at first in front.

    Args:
        measured: What there is to draw.
        units: Units to show values in, each for its own kind of quantity.
        together: Draw different kinds on one chart, as long as two axes are enough; otherwise
            there is a chart for each kind and unit.
    """
    rank = {title: number for number, title in enumerate(_ORDER)}
    shown = [_shown(one, list(units)) for one in measured]
    shown.sort(key=lambda s: (rank.get(s.group, len(rank)), s.group, _natural(s.measured.metric)))
    return [_chart(parts) for parts in (_paired(shown) if together else _by_kind(shown))]


def _by_kind(shown: list[_Shown]) -> list[list[_Shown]]:
    kinds: dict[Any, list[_Shown]] = {}
    for one in shown:
        kinds.setdefault((one.group, one.unit), []).append(one)
    return list(kinds.values())


def _paired(shown: list[_Shown]) -> list[list[_Shown]]:
    """Return what fits on one chart each: two units at most, flags among themselves."""
    charts: list[list[_Shown]] = []
    for one in shown:
        for parts in charts:
            units = {part.unit for part in parts} | {one.unit}
            if parts[0].is_flag == one.is_flag and len(units) <= 2:
                parts.append(one)
                break
        else:
            charts.append([one])
    return charts


def _chart(parts: list[_Shown]) -> Chart:
    units = tuple(dict.fromkeys(part.unit for part in parts))
    groups = list(dict.fromkeys(part.group for part in parts))
    metrics = list(dict.fromkeys(part.measured.metric for part in parts))
    robots = list(dict.fromkeys(part.measured.robot_id for part in parts))
    title = " and ".join(groups) if len(groups) < 3 else f"{groups[0]} and {len(groups) - 1} others"
    chart = Chart(title, units, parts[0].is_flag)
    for part in parts:
        one = part.measured
        metric, robot = metrics.index(one.metric), robots.index(one.robot_id)
        # One of the two is told by colour: what there is more than one of, the metric first.
        colour, dash = (robot, 0) if len(metrics) == 1 else (metric, robot)
        words = [
            one.robot_name if len(robots) > 1 else "",
            part.group if len(groups) > 1 and part.group != part.label else "",
            part.label if len(metrics) > 1 or len(robots) == 1 else "",
        ]
        label = " · ".join(filter(None, words))
        axis = units.index(part.unit)
        chart.lines.append(
            Line(
                str(one.robot_id),
                one.metric,
                label,
                part.unit,
                part.factor,
                part.offset,
                axis,
                colour,
                dash,
            )
        )
    return chart
