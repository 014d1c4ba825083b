"""Propose a metric for each column of a recording."""

from __future__ import annotations

import re

from apps.telemetry.choices import metric_info
from apps.telemetry.protocols.points import MAX_METRIC_NAME_LENGTH, MAX_UNIT_LENGTH

TIME_COLUMNS = frozenset(
    {"timestamp", "time", "datetime", "date_time", "date", "ts", "_time", "zeit", "zeitstempel"}
)
# Row numbers are not measured.
_IGNORED_COLUMNS = frozenset({"", "num", "no", "nr", "index", "row", "id", "#"})
_JOINTS = 6
_POSE = ("position.x", "position.y", "position.z", "position.rx", "position.ry", "position.rz")
_LINEAR = ("velocity.linear.x", "velocity.linear.y", "velocity.linear.z")


def _per_joint(column: str, metric: str, unit: str) -> dict[str, tuple[str, str]]:
    """Return the columns of six joints, numbered from 0."""
    return {f"{column}{joint}": (metric.format(joint + 1), unit) for joint in range(_JOINTS)}


# Lower-case column: metric and unit. The first block has the names of the real-time data exchange
# of Universal Robots controllers, which their client library records (poses are in metres); the
# second those of the public recording "UR3 CobotOps" (doi 10.24432/C5J891).
KNOWN_COLUMNS: dict[str, tuple[str, str]] = {
    **_per_joint("actual_q_", "joint.{}.angle", "rad"),
    **_per_joint("actual_qd_", "joint.{}.velocity", "rad/s"),
    **_per_joint("actual_current_", "joint.{}.current", "A"),
    **_per_joint("actual_moment_", "joint.{}.torque", "Nm"),
    **_per_joint("joint_temperatures_", "temperature.motor.joint{}", "Cel"),
    **{
        f"actual_tcp_pose_{axis}": (metric, "m" if axis < 3 else "rad")
        for axis, metric in enumerate(_POSE)
    },
    **{f"actual_tcp_speed_{axis}": (metric, "m/s") for axis, metric in enumerate(_LINEAR)},
    "actual_main_voltage": ("voltage.supply", "V"),
    "actual_robot_current": ("current.total", "A"),
    "tool_output_current": ("current.tool", "A"),
    "tool_temperature": ("temperature.tool", "Cel"),
    **_per_joint("current_j", "joint.{}.current", "A"),
    **_per_joint("temperature_j", "temperature.motor.joint{}", "Cel"),
    "temperature_t0": ("temperature.motor.joint1", "Cel"),
    **_per_joint("speed_j", "joint.{}.velocity", "rad/s"),
    "tool_current": ("current.tool", "A"),
    "cycle": ("cycle.count", "count"),
    "robot_protectivestop": ("safety.protective_stop", ""),
    "grip_lost": ("grip.lost", ""),
}
_UNIT_IN_NAME = re.compile(r"^(.*?)\s*[\[(]([^\[\]()]+)[\])]\s*$")


def is_ignored(column: str) -> bool:
    """Return whether a column is a row number by its name."""
    return column.strip().lower() in _IGNORED_COLUMNS


def propose_metric(column: str) -> tuple[str, str]:
    """Return a metric name and unit for a column.

    The name is empty if the column has no letters or digits. A unit in brackets at the end of the
    name, as in `Force [N]`, is used.
    """
    name = column.strip()
    if known := KNOWN_COLUMNS.get(name.lower()):
        return known
    unit = ""
    if found := _UNIT_IN_NAME.match(name):
        name, unit = found[1], found[2].strip()
    if known := KNOWN_COLUMNS.get(name.lower()):
        return known[0], unit or known[1]
    words = re.sub(r"[^a-z0-9_.]+", "_", name.lower()).strip("_.")
    metric = re.sub(r"\.{2,}", ".", words)[:MAX_METRIC_NAME_LENGTH].strip(".")
    return metric, unit[:MAX_UNIT_LENGTH] or metric_info(metric).unit
