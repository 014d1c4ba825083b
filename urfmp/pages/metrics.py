"""How metrics are named and put together on charts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

# UCUM codes that people write otherwise.
UNIT_SIGNS = {"Cel": "°C", "count": "", "deg": "°", "Ohm": "Ω", "1": ""}

_TITLES = (
    (re.compile(r"temperature\."), "Temperature"),
    (re.compile(r"joint\.\d+\.current"), "Joint current"),
    (re.compile(r"joint\.\d+\.velocity"), "Joint velocity"),
    (re.compile(r"joint\.\d+\.torque"), "Joint torque"),
    (re.compile(r"joint\.\d+\.angle"), "Joint angle"),
    (re.compile(r"current\."), "Current"),
    (re.compile(r"power\."), "Power"),
    (re.compile(r"voltage\."), "Voltage"),
    (re.compile(r"energy\."), "Energy"),
    (re.compile(r"battery\."), "Battery"),
    (re.compile(r"velocity\."), "Velocity"),
    (re.compile(r"position\.r"), "Orientation"),
    (re.compile(r"position\."), "Position"),
    (re.compile(r"navigation\."), "Navigation"),
    (re.compile(r"gps\."), "Location"),
    (re.compile(r"cycle\."), "Cycles"),
)
_FLAGS = re.compile(r"safety\..*|program\.running|grip\.lost|battery\.charging")
_FLAG_TITLE = "States"
_ORDER = [title for _, title in _TITLES]
_LABELS = (
    (re.compile(r"temperature\.motor\.joint(\d+)"), r"Joint \1"),
    (re.compile(r"joint\.(\d+)\.\w+"), r"Joint \1"),
    (re.compile(r"position\.r?([xyz])"), r"\1"),
)


def unit_sign(unit: str | None) -> str:
    """Return a unit as people write it."""
    return UNIT_SIGNS.get(unit or "", unit or "")


def metric_label(name: str) -> str:
    """Return a metric's name within its chart, as in `Joint 3`."""
    for pattern, text in _LABELS:
        if match := pattern.fullmatch(name):
            return match.expand(text).upper() if len(match.expand(text)) == 1 else match.expand(text)
    parts = name.split(".")
    words = parts[1:] if len(parts) > 1 else parts
    return " ".join(words).replace("_", " ").capitalize()


def metric_title(name: str) -> str:
    """Return the chart that a metric belongs to, as in `Joint current`."""
    if _FLAGS.fullmatch(name):
        return _FLAG_TITLE
    for pattern, title in _TITLES:
        if pattern.match(name):
            return title
    return name.split(".")[0].replace("_", " ").capitalize()


@dataclass(frozen=True)
class Chart:
    """Metrics of one kind and one unit, drawn together.

    Attributes:
        title: What is measured.
        unit: As people write it.
        names: The metrics, in order.
        is_flag: Whether the values are yes or no.
    """

    title: str
    unit: str
    names: list[str] = field(default_factory=list)
    is_flag: bool = False

    @property
    def labels(self) -> dict[str, str]:
        """What each metric is called in the legend."""
        return {name: metric_label(name) for name in self.names}


def _natural(name: str) -> list[int | str]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def charts_for(metrics: Iterable[tuple[str, str | None]]) -> list[Chart]:
    """Put metrics together on charts; temperatures and currents come first, states last.

    Args:
        metrics: Name and unit of each.
    """
    charts: dict[tuple[str, str], Chart] = {}
    for name, unit in sorted(metrics, key=lambda metric: _natural(metric[0])):
        title = metric_title(name)
        is_flag = title == _FLAG_TITLE
        key = (title, "" if is_flag else unit_sign(unit))
        chart = charts.setdefault(key, Chart(title, key[1], [], is_flag))
        chart.names.append(name)
    rank = {title: number for number, title in enumerate([*_ORDER, _FLAG_TITLE])}
    return sorted(charts.values(), key=lambda c: (rank.get(c.title, len(rank) - 1.5), c.title))
