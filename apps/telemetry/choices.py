"""The catalogue of known metrics; other metrics are stored as well."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class MetricInfo:
    """A known metric: group, label and default unit (a UCUM code)."""

    group: str
    label: str
    unit: str


_METRICS: tuple[tuple[str, str, str, str], ...] = (
    (r"position\.([xyz])", "Pose", "Position {0}", "mm"),
    (r"position\.(r[xyz])", "Pose", "Rotation {0}", "rad"),
    (r"joint\.(\d+)\.angle", "Joint angles", "Joint {0}", "rad"),
    (r"joint\.(\d+)\.velocity", "Joint velocities", "Joint {0}", "rad/s"),
    (r"joint\.(\d+)\.current", "Joint currents", "Joint {0}", "A"),
    (r"joint\.(\d+)\.torque", "Joint torques", "Joint {0}", "Nm"),
    (r"velocity\.linear\.(x|y|z|magnitude)", "Velocity", "Linear {0}", "m/s"),
    (r"velocity\.angular", "Velocity", "Angular", "rad/s"),
    (r"temperature\.ambient", "Temperatures", "Ambient", "Cel"),
    (r"temperature\.controller", "Temperatures", "Controller", "Cel"),
    (r"temperature\.motor\.joint(\d+)", "Temperatures", "Motor {0}", "Cel"),
    (r"voltage\.supply", "Supply", "Voltage", "V"),
    (r"current\.total", "Supply currents", "Total", "A"),
    (r"current\.tool", "Supply currents", "Tool", "A"),
    (r"power\.total", "Power", "Power", "W"),
    (r"energy\.total", "Energy", "Energy", "kWh"),
    (r"safety\.emergency_stop", "Safety", "Emergency stop", ""),
    (r"safety\.protective_stop", "Safety", "Protective stop", ""),
    (r"safety\.reduced_mode", "Safety", "Reduced mode", ""),
    (r"cycle\.count", "Production", "Cycles", "count"),
    (r"program\.running", "Production states", "Program running", ""),
    (r"grip\.lost", "Production states", "Grip lost", ""),
    (r"battery\.charge", "Battery", "Charge", "%"),
    (r"battery\.health", "Battery", "Health", "%"),
    (r"battery\.voltage", "Battery voltage", "Voltage", "V"),
    (r"battery\.charging", "Battery state", "Charging", ""),
    (r"gps\.(latitude|longitude|heading)", "Position on earth", "{0}", "deg"),
    (r"gps\.altitude", "Altitude", "Altitude", "m"),
    (r"gps\.speed", "Ground speed", "Speed", "m/s"),
    (r"navigation\.path_deviation", "Path deviation", "Path deviation", "m"),
    (r"navigation\.mission_progress", "Mission", "Progress", "%"),
)
_PATTERNS = [(re.compile(pattern), group, label, unit) for pattern, group, label, unit in _METRICS]


def metric_info(name: str) -> MetricInfo:
    """Return a metric's label and unit; unknown metrics are ungrouped."""
    for pattern, group, label, unit in _PATTERNS:
        if found := pattern.fullmatch(name):
            return MetricInfo(group, label.format(*found.groups()), unit)
    return MetricInfo(name, name, "")
