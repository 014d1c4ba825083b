"""Read a recording of a UR3 arm: a CSV table with one sample a line, packed by gzip or not.

The form is that of "UR3 CobotOps" (Tyrovolas, Aliev, Antonelli, Stylios, 2024, UCI Machine Learning
Repository, doi 10.24432/C5J891): motor currents, temperatures and speeds of joints 0 to 5, tool
current, cycle number and two flags. Some timestamps carry stray quotes, some cells are empty; an
empty cell is no point.
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
STOPPED = "safety.protective_stop"
_FLAGS = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0}

# Column in the file -> our metric and its unit. The file counts joints from 0, we from 1, and it
# calls joint 0's temperature T0.
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
    "Robot_ProtectiveStop": (STOPPED, None),
    "grip_lost": ("grip.lost", None),
}
_FLAG_METRICS = frozenset({STOPPED, "grip.lost"})


class RecordingError(Exception):
    """The file is not a recording; the message says where and why."""


@dataclass(frozen=True)
class Sample:
    """One line of a recording: what was measured at one time, empty cells left out."""

    time: datetime
    values: dict[str, float]

    @property
    def is_stopped(self) -> bool | None:
        """Whether the arm was in a protective stop; None when the line does not say."""
        flag = self.values.get(STOPPED)
        return None if flag is None else bool(flag)


@dataclass(frozen=True)
class Extent:
    """What a recording holds, found by reading it once.

    Attributes:
        repeated: Samples whose time an earlier one has as well. The server keeps one value for a
            metric and a time, so their other values would be refused.
    """

    first: datetime
    last: datetime
    earliest: datetime
    samples: int
    points: int
    repeated: int


def read_recording(path: Path) -> Iterator[Sample]:
    """Yield the samples of a `.csv` or `.csv.gz` file in its order, one line in memory at a time.

    Raises:
        RecordingError: The file cannot be read or a line of it does not fit.
    """
    with _opened(path) as file:
        lines = csv.reader(file)
        header = [name.strip() for name in next(lines, [])]
        if TIMESTAMP not in header:
            msg = f"{path} has no column {TIMESTAMP}."
            raise RecordingError(msg)
        columns = [
            (index, METRICS[name][0]) for index, name in enumerate(header) if name in METRICS
        ]
        if not columns:
            msg = f"{path} has none of the columns that are known."
            raise RecordingError(msg)
        when = header.index(TIMESTAMP)
        for cells in lines:
            if not any(cells):
                continue
            try:
                yield _sample(cells, len(header), when, columns)
            except ValueError as error:
                msg = f"{path}, line {lines.line_num}: {error}"
                raise RecordingError(msg) from error


def measure_recording(path: Path) -> Extent:
    """Read a recording once and tell what it holds.

    Raises:
        RecordingError: It does not fit, or holds no sample.
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
        msg = f"{path} holds no sample."
        raise RecordingError(msg)
    return Extent(first, max(times), min(times), samples, points, samples - len(times))


def time_shift(extent: Extent, *, start: datetime | None, speed: float, now: datetime) -> timedelta:
    """Return what is added to every time of a recording.

    With a start the first sample falls on it. Without one the first falls on now at the speed at
    which it was recorded, and the last on now at any other.

    Args:
        extent: What the recording holds.
        start: Aware time of the first sample.
        speed: Seconds of the recording per second; 0 is as fast as it goes.
        now: The present.

    Raises:
        RecordingError: The start puts a sample into the future.
    """
    if start is None:
        return now - (extent.first if speed == 1 else extent.last)
    shift = start - extent.first
    if extent.last + shift > now:
        latest = now - (extent.last - extent.first)
        msg = (
            f"A start at {start.isoformat()} puts samples into the future: the recording is"
            f" {extent.last - extent.first} long. The latest start is {latest.isoformat()}."
        )
        raise RecordingError(msg)
    return shift


def sample_points(sample: Sample, time: str, serial_number: str) -> list[dict[str, Any]]:
    """Return a sample as points of the API, stamped with a time in RFC 3339."""
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
def _opened(path: Path) -> Iterator[TextIO]:
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


def _sample(cells: list[str], width: int, when: int, columns: list[tuple[int, str]]) -> Sample:
    if len(cells) != width:
        msg = f"{len(cells)} cells where the heading has {width}."
        raise ValueError(msg)
    values = {}
    for index, metric in columns:
        if text := cells[index].strip():
            values[metric] = _flag(text) if metric in _FLAG_METRICS else _number(text)
    return Sample(_time(cells[when]), values)


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text.strip().strip('"').strip())
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _flag(text: str) -> float:
    try:
        return _FLAGS[text.lower()]
    except KeyError:
        msg = f"{text!r} is neither True nor False."
        raise ValueError(msg) from None


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        msg = f"{text!r} is not a finite number."
        raise ValueError(msg)
    return value
