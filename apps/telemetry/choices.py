"""The catalogue of known metrics, and the values of imports.

Other metrics are stored as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from django.db import models


class RecordingTimeFormat(models.TextChoices):
    """Format of the time column of a recording."""

    DATETIME = "datetime", "Date and time"
    SECONDS = "seconds", "Seconds since 1970"
    MILLISECONDS = "milliseconds", "Milliseconds since 1970"
    ELAPSED = "elapsed", "Seconds since the start of the recording"


class ImportStatus(models.TextChoices):
    """State of an import."""

    DRAFT = "draft", "Not started"
    PENDING = "pending", "Waiting"
    RUNNING = "running", "Running"
    COMPLETED = "completed", "Completed"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


class ImportAction(StrEnum):
    """Action on an import."""

    START = "start"
    RUN = "run"
    CANCEL = "cancel"


ACTIVE_IMPORT_STATUSES = (ImportStatus.PENDING, ImportStatus.RUNNING)
ENDED_IMPORT_STATUSES = (ImportStatus.COMPLETED, ImportStatus.FAILED, ImportStatus.CANCELLED)

# The statuses in which each action is allowed, for the pages and the services.
IMPORT_TRANSITIONS: dict[ImportAction, frozenset[ImportStatus]] = {
    ImportAction.START: frozenset({ImportStatus.DRAFT}),
    ImportAction.RUN: frozenset(ACTIVE_IMPORT_STATUSES),
    ImportAction.CANCEL: frozenset({ImportStatus.DRAFT, *ACTIVE_IMPORT_STATUSES}),
}


def import_allows(action: ImportAction, status: str) -> bool:
    """Return whether an import with a status allows an action."""
    return status in IMPORT_TRANSITIONS[action]


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
