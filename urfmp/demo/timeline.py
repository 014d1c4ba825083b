"""Status of each robot during the past week, following the shifts."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from examples.robotclient.machines import CHARGE_AT_PERCENT, CHARGED_PERCENT, Mobile
from urfmp.demo.fleet import RobotPlan

_STEP = timedelta(minutes=1)
# The last hours are always working hours, so that a new demo shows activity at any time of day.
_FINAL_BUSY_PERIOD = timedelta(hours=4)


@dataclass(frozen=True)
class StatusSpan:
    """A robot's status from `start` until the next span."""

    start: datetime
    status: str
    reason: str | None = None


@dataclass(frozen=True)
class _Phase:
    status: str
    minutes: tuple[int, int]
    reasons: tuple[str, ...] = ()


# Interruptions and their probability at the end of a working phase.
_INTERRUPTIONS = (
    (0.06, _Phase("stopped", (1, 7), (
        "Protective stop",
        "Protective stop: force limit of the tool",
        "Protective stop: safety gate opened",
    ))),
    (0.012, _Phase("error", (8, 45), (
        "Gripper lost vacuum",
        "Drive of joint 3 reports overcurrent",
        "Program halted: part not found",
        "Fieldbus connection lost",
    ))),
    (0.012, _Phase("offline", (2, 9), ("No data for 30 seconds.",))),
)  # fmt: skip
_PAUSE = _Phase("idle", (2, 11), ("Waiting for parts",))
_MOBILE_PAUSE = _Phase("idle", (1, 6), ("Waiting for a mission",))


def status_week(
    robot: RobotPlan, *, start: datetime, end: datetime, timezone: str
) -> list[StatusSpan]:
    """Return a robot's spans from start to end, oldest first.

    Both times are aware. The same robot and times give the same spans. The last span is never
    offline or an error.
    """
    rng = random.Random(f"urfmp:{robot.serial_number}:week")  # noqa: S311 - not a secret
    works_at_night = rng.random() < 0.35
    zone = ZoneInfo(timezone)
    battery = Mobile(robot.serial_number) if "transport" in robot.capabilities else None
    spans: list[StatusSpan] = []
    time = start
    while time < end:
        busy = end - time <= _FINAL_BUSY_PERIOD or is_shift(time, zone, works_at_night)
        phase = _next_phase(rng, spans[-1].status if spans else "", busy, battery)
        until = min(end, time + timedelta(minutes=rng.randint(*phase.minutes)))
        reason = rng.choice(phase.reasons) if phase.reasons else None
        if not (spans and spans[-1].status == phase.status):
            spans.append(StatusSpan(time, phase.status, reason))
        if battery:
            until = _advance_battery(battery, phase.status, time, until)
        # Up to 25 seconds, so that changes do not fall on full minutes.
        time = until + timedelta(seconds=rng.uniform(0, 25))
    if spans and spans[-1].status in {"offline", "error"}:
        spans[-1] = StatusSpan(spans[-1].start, "running")
        if len(spans) > 1 and spans[-2].status == "running":
            spans.pop()
    return spans


def is_shift(time: datetime, zone: ZoneInfo, works_at_night: bool) -> bool:
    """Return whether a shift is on at the time.

    There are an early and a late shift on weekdays (6 to 22), and an early one on Saturday (6 to
    14).
    """
    local = time.astimezone(zone)
    if local.weekday() == 6:
        return False
    if local.weekday() == 5:
        return 6 <= local.hour < 14
    return 6 <= local.hour < 22 or works_at_night


def _next_phase(
    rng: random.Random,
    previous: str,
    busy: bool,
    battery: Mobile | None,
) -> _Phase:
    charge_below = CHARGE_AT_PERCENT if busy else 70.0
    if battery and battery.battery_percent <= charge_below:
        return _Phase("charging", (200, 200), ("Battery low",))
    if not busy:
        return _Phase("idle", (30, 60), ("No shift",))
    if previous != "running":
        return _Phase("running", (18, 75))
    draw = rng.random()
    for probability, phase in _INTERRUPTIONS:
        if draw < probability:
            return phase
        draw -= probability
    return _MOBILE_PAUSE if battery else _PAUSE


def _advance_battery(battery: Mobile, status: str, time: datetime, until: datetime) -> datetime:
    """Advance the battery until the phase ends, it is full or empty.

    Returns:
        The time at which the phase ends.
    """
    while time < until:
        battery.advance(_STEP.total_seconds(), status)
        time += _STEP
        charged = status == "charging" and battery.battery_percent >= CHARGED_PERCENT
        if charged or (status == "running" and battery.battery_percent <= CHARGE_AT_PERCENT):
            break
    return time
