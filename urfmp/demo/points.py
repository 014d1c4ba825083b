"""What each robot measured during the past week, made from what it did."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from examples.robotclient.machines import Arm, Mobile, Reading, machine_for
from urfmp.demo.fleet import RobotPlan
from urfmp.demo.timeline import Span

COARSE = timedelta(minutes=5)
FINE = timedelta(seconds=30)
FINE_FOR = timedelta(hours=3)

Row = tuple[UUID, str, datetime, float, str | None, None]

# Of the past week, motors are kept every 10 minutes and joint currents every 30; angles are not.
_EVERY_NTH = {"temperature.motor": 2, "joint": 6, "battery.health": 12}


def telemetry_rows(
    robot_id: UUID, plan: RobotPlan, spans: Sequence[Span], *, end: datetime
) -> Iterator[Row]:
    """Yield a robot's points, oldest first, in the order of the table's columns.

    Every 5 minutes from the first span on, every 30 s in the last 3 hours; nothing while it was
    offline.

    Args:
        robot_id: Whose points they are.
        plan: What kind of robot it is.
        spans: What it did.
        end: Aware time of the last sample at the latest.
    """
    machine = machine_for(plan.serial_number, plan.configuration, plan.location)
    offset = timedelta(seconds=random.Random(plan.serial_number).uniform(0, 29))  # noqa: S311
    moment = spans[0].start
    upcoming = [*spans[1:], Span(end + timedelta(days=1), "offline")]
    status, position = spans[0].status, 0
    for number, sample_at in enumerate(_sample_times(moment + offset, end)):
        while upcoming[position].start <= sample_at:
            change = upcoming[position]
            machine.advance((change.start - moment).total_seconds(), status)
            moment, status = change.start, change.status
            position += 1
        machine.advance((sample_at - moment).total_seconds(), status)
        moment = sample_at
        if status == "offline":
            continue
        fine = end - sample_at <= FINE_FOR
        for name, value, unit in _readings(machine, number, fine=fine):
            yield robot_id, name, sample_at, value, unit, None


def _sample_times(start: datetime, end: datetime) -> Iterator[datetime]:
    moment = start
    while moment <= end:
        yield moment
        moment += FINE if end - moment <= FINE_FOR else COARSE


def _readings(machine: Arm | Mobile, number: int, *, fine: bool) -> Iterator[Reading]:
    for reading in itertools.chain(machine.fast(), machine.slow()):
        name = reading[0]
        if name.endswith(".angle"):
            continue
        every = 1 if fine else _every_nth(name)
        if number % every == 0:
            yield reading


def _every_nth(name: str) -> int:
    for start, every in _EVERY_NTH.items():
        if name.startswith(start):
            return every
    return 1
