"""Read a recording of a UR3 arm: a CSV file, optionally gzipped.

Each line is one sample. The format is that of "UR3 CobotOps" (Tyrovolas, Aliev, Antonelli, Stylios,
2024, UCI Machine Learning Repository, doi 10.24432/C5J891): motor currents, temperatures and speeds
of joints 0 to 5, tool current, cycle number and two flags. Some timestamps contain stray quotes.
Some cells are empty; an empty cell is not a point.
"""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

TIMESTAMP = "Timestamp"
STOP_METRIC = "safety.protective_stop"
_FLAGS = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0}

# Column of the file -> our metric and its unit. The file numbers joints from 0, we from 1. It calls
# joint 0's temperature T0.
METRICS: dict[str, tuple[str, str | None]] = {
    **{f"Current_J{joint}": (f"joint.{joint + 1}.current", "A") for joint in range(6)},
    **{
        f"Temperature_J{joint}": (f"temperature.motor.joint{joint + 1}", "Cel")
        for joint in range(6)
    },
    "Temperature_T0": ("temperature.motor.joint1", "Cel"),
    **{f"Speed_J{joint}": (f"joint.{joint + 1}.velocity", "rad/s") for joint in range(6)},
    "Tool_current": ("current.tool", "A"),
    "cycle": ("cycle.count", "count"),
    "Robot_ProtectiveStop": (STOP_METRIC, None),
    "grip_lost": ("grip.lost", None),
}
_FLAG_METRICS = frozenset({STOP_METRIC, "grip.lost"})


class RecordingError(Exception):
    """The file is invalid; the message says where and why."""


@dataclass(frozen=True)
class Sample:
    """One line of a recording: all values of one time.

    Empty cells are omitted.
    """

    time: datetime
    values: dict[str, float]

    @property
    def is_stopped(self) -> bool | None:
        """Return whether the arm was in a protective stop.

        None means that the line does not record it.
        """
        flag = self.values.get(STOP_METRIC)
        return None if flag is None else bool(flag)


@dataclass(frozen=True)
class RecordingSummary:
    """Size and time range of a recording.

    Attributes:
        first: Time of the first sample of the file.
        last: Latest time.
        earliest: Earliest time.
        samples: Number of samples.
        points: Number of values in all samples.
        repeated: Samples with the time of an earlier one. The server keeps one value for a metric
            and a time, so different values of these samples are rejected.
    """

    first: datetime
    last: datetime
    earliest: datetime
    samples: int
    points: int
    repeated: int


def read_recording(path: Path) -> Iterator[Sample]:
    """Yield the samples of a `.csv` or `.csv.gz` file in order.

    The file is read line by line.

    Raises:
        RecordingError: The file cannot be read, or a line is invalid.
    """
    with _open(path) as file:
        lines = csv.reader(file)
        header = [name.strip() for name in next(lines, [])]
        if TIMESTAMP not in header:
            msg = f"{path} has no column {TIMESTAMP}."
            raise RecordingError(msg)
        columns = [
            (index, METRICS[name][0]) for index, name in enumerate(header) if name in METRICS
        ]
        if not columns:
            msg = f"{path} has none of the known columns."
            raise RecordingError(msg)
        when = header.index(TIMESTAMP)
        for cells in lines:
            if not any(cells):
                continue
            try:
                yield _parse_sample(cells, len(header), when, columns)
            except ValueError as error:
                msg = f"{path}, line {lines.line_num}: {error}"
                raise RecordingError(msg) from error


def summarize_recording(path: Path) -> RecordingSummary:
    """Read a recording once and return its size and time range.

    Raises:
        RecordingError: The file is invalid or contains no samples.
    """
    times: set[datetime] = set()
    first: datetime | None = None
    samples = points = 0
    for sample in read_recording(path):
        first = first or sample.time
        times.add(sample.time)
        samples += 1
        points += len(sample.values)
    if first is None:
        msg = f"{path} contains no sample."
        raise RecordingError(msg)
    return RecordingSummary(first, max(times), min(times), samples, points, samples - len(times))


def time_shift(
    summary: RecordingSummary, *, start: datetime | None, speed: float, now: datetime
) -> timedelta:
    """Return the offset to add to every time of a recording.

    With a start, the first sample falls on it. Without one, the first sample falls on now at speed
    1, and the last sample falls on now at any other speed.

    Args:
        summary: Summary of the recording.
        start: Aware time of the first sample.
        speed: Seconds of the recording per second; 0 means as fast as possible.
        now: The current time, aware.

    Raises:
        RecordingError: The start puts a sample into the future.
    """
    if start is None:
        return now - (summary.first if speed == 1 else summary.last)
    shift = start - summary.first
    if summary.last + shift > now:
        latest = now - (summary.last - summary.first)
        msg = (
            f"A start at {start.isoformat()} puts samples into the future: the recording is"
            f" {summary.last - summary.first} long. The latest start is {latest.isoformat()}."
        )
        raise RecordingError(msg)
    return shift


def sample_points(sample: Sample, time: str, serial_number: str) -> list[dict[str, Any]]:
    """Return a sample as points of the API.

    Args:
        sample: Sample of the recording.
        time: Time of the points in RFC 3339.
        serial_number: Serial number of the robot.
    """
    units = _UNITS
    points = []
    for metric, value in sample.values.items():
        point: dict[str, Any] = {
            "serial_number": serial_number,
            "metric_name": metric,
            "time": time,
            "value": value,
        }
        if (unit := units[metric]) is not None:
            point["unit"] = unit
        points.append(point)
    return points


_UNITS = dict(METRICS.values())


@contextmanager
def _open(path: Path) -> Iterator[TextIO]:
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as file:
                yield file
        else:
            with path.open(encoding="utf-8-sig", newline="") as file:
                yield file
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        msg = f"{path} cannot be read: {reason}."
        raise RecordingError(msg) from error


def _parse_sample(
    cells: list[str], width: int, when: int, columns: list[tuple[int, str]]
) -> Sample:
    if len(cells) != width:
        msg = f"{len(cells)} cells, but the header has {width}."
        raise ValueError(msg)
    values = {}
    for index, metric in columns:
        if text := cells[index].strip():
            values[metric] = _parse_flag(text) if metric in _FLAG_METRICS else _parse_number(text)
    return Sample(_parse_time(cells[when]), values)


def _parse_time(text: str) -> datetime:
    time = datetime.fromisoformat(text.strip().strip('"').strip())
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _parse_flag(text: str) -> float:
    try:
        return _FLAGS[text.lower()]
    except KeyError:
        msg = f"{text!r} is neither True nor False."
        raise ValueError(msg) from None


def _parse_number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        msg = f"{text!r} is not a finite number."
        raise ValueError(msg)
    return value
