"""How metrics are put together on charts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from apps.telemetry.metrics import metric_of

# UCUM codes that people write otherwise.
UNIT_SIGNS = {"Cel": "°C", "count": "", "deg": "°", "Ohm": "Ω", "1": ""}
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


@dataclass(frozen=True)
class Chart:
    """Metrics of one kind and one unit, drawn together.

    Attributes:
        title: What is measured.
        unit: As people write it.
        is_flag: Whether the values are yes or no.
        labels: What each metric is called in the legend, in order.
    """

    title: str
    unit: str
    is_flag: bool
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def labels_json(self) -> str:
        """The labels for the page's script."""
        return json.dumps(self.labels)


def _natural(name: str) -> list[int | str]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def charts_for(metrics: Iterable[tuple[str, str | None]]) -> list[Chart]:
    """Put metrics together on charts, what people look at first in front.

    Args:
        metrics: Name and unit of each.
    """
    charts: dict[tuple[str, str], Chart] = {}
    for name, unit in sorted(metrics, key=lambda metric: _natural(metric[0])):
        known = metric_of(name)
        is_flag = known.group in _FLAG_GROUPS
        key = (known.group, "" if is_flag else unit_sign(unit or known.unit))
        chart = charts.setdefault(key, Chart(known.group, key[1], is_flag))
        chart.labels[name] = known.label
    rank = {title: number for number, title in enumerate(_ORDER)}
    return sorted(
        charts.values(), key=lambda chart: (rank.get(chart.title, len(rank)), chart.title)
    )
