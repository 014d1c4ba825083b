"""Telemetry of the past week, derived from each robot's status."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from examples.robotclient.machines import Arm, Mobile, Reading, machine_for
from urfmp.demo.fleet import RobotPlan
from urfmp.demo.timeline import StatusSpan

COARSE_INTERVAL = timedelta(minutes=5)
FINE_INTERVAL = timedelta(seconds=30)
FINE_PERIOD = timedelta(hours=3)

Row = tuple[UUID, str, datetime, float, str | None, None]

# In the past week motor temperatures are kept every 10 minutes and joint currents every 30; angles
# are not kept.
_EVERY_NTH = {"temperature.motor": 2, "joint": 6, "battery.health": 12}


def telemetry_rows(
    robot_id: UUID, plan: RobotPlan, spans: Sequence[StatusSpan], *, end: datetime
) -> Iterator[Row]:
    """Yield a robot's points, oldest first, in the table's column order.

    Samples are 5 minutes apart, in the last 3 hours 30 seconds. There are none while the robot was
    offline.

    Args:
        robot_id: Robot that owns the points.
        plan: Definition of the robot.
        spans: The robot's status over time.
        end: Latest time of a sample; aware.
    """
    machine = machine_for(plan.serial_number, plan.configuration, plan.location)
    offset = timedelta(seconds=random.Random(plan.serial_number).uniform(0, 29))  # noqa: S311
    time = spans[0].start
    upcoming = [*spans[1:], StatusSpan(end + timedelta(days=1), "offline")]
    status, position = spans[0].status, 0
    for index, sample_at in enumerate(_sample_times(time + offset, end)):
        while upcoming[position].start <= sample_at:
            change = upcoming[position]
            machine.advance((change.start - time).total_seconds(), status)
            time, status = change.start, change.status
            position += 1
        machine.advance((sample_at - time).total_seconds(), status)
        time = sample_at
        if status == "offline":
            continue
        fine = end - sample_at <= FINE_PERIOD
        for name, value, unit in _readings(machine, index, fine=fine):
            yield robot_id, name, sample_at, value, unit, None


def _sample_times(start: datetime, end: datetime) -> Iterator[datetime]:
    time = start
    while time <= end:
        yield time
        time += FINE_INTERVAL if end - time <= FINE_PERIOD else COARSE_INTERVAL


def _readings(machine: Arm | Mobile, index: int, *, fine: bool) -> Iterator[Reading]:
    for reading in itertools.chain(machine.fast_readings(), machine.slow_readings()):
        name = reading[0]
        if name.endswith(".angle"):
            continue
        every = 1 if fine else _every_nth(name)
        if index % every == 0:
            yield reading


def _every_nth(name: str) -> int:
    for start, every in _EVERY_NTH.items():
        if name.startswith(start):
            return every
    return 1
