"""What each robot did during the past week: its status from hour to hour, by shift."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from examples.robotclient.machines import CHARGE_AT_PERCENT, CHARGED_PERCENT, Mobile
from urfmp.demo.fleet import RobotPlan

_STEP = timedelta(minutes=1)
# Whatever the time of day is, the last hours are at work: somebody is about to look.
_BUSY_AT_THE_END = timedelta(hours=4)


@dataclass(frozen=True)
class Span:
    """A robot's status from `start` on until the next span."""

    start: datetime
    status: str
    reason: str | None = None


@dataclass(frozen=True)
class _Spell:
    status: str
    minutes: tuple[int, int]
    reasons: tuple[str, ...] = ()


# What interrupts work, with its chance at the end of a stretch of work.
_INTERRUPTIONS = (
    (0.06, _Spell("stopped", (1, 7), (
        "Protective stop",
        "Protective stop: force limit of the tool",
        "Protective stop: safety gate opened",
    ))),
    (0.012, _Spell("error", (8, 45), (
        "Gripper lost vacuum",
        "Drive of joint 3 reports overcurrent",
        "Program halted: part not found",
        "Fieldbus connection lost",
    ))),
    (0.012, _Spell("offline", (2, 9), ("Not heard of for 30 seconds.",))),
)  # fmt: skip
_PAUSE = _Spell("idle", (2, 11), ("Waiting for parts",))
_MOBILE_PAUSE = _Spell("idle", (1, 6), ("Waiting for a mission",))


def week_of(robot: RobotPlan, *, start: datetime, end: datetime, timezone: str) -> list[Span]:
    """Return a robot's spans from start to end, both aware, oldest first.

    The same robot and times give the same spans. The last one is at work, stopped or charging,
    never offline.
    """
    chance = random.Random(f"urfmp:{robot.serial_number}:week")  # noqa: S311 - not a secret
    works_at_night = chance.random() < 0.35
    zone = ZoneInfo(timezone)
    battery = Mobile(robot.serial_number) if "transport" in robot.capabilities else None
    spans: list[Span] = []
    moment = start
    while moment < end:
        busy = end - moment <= _BUSY_AT_THE_END or is_shift(moment, zone, works_at_night)
        spell = _next_spell(chance, spans[-1].status if spans else "", busy, battery)
        until = min(end, moment + timedelta(minutes=chance.randint(*spell.minutes)))
        reason = chance.choice(spell.reasons) if spell.reasons else None
        if not (spans and spans[-1].status == spell.status):
            spans.append(Span(moment, spell.status, reason))
        if battery:
            until = _until_battery(battery, spell.status, moment, until)
        # Half a minute here and there, so that nothing falls on full minutes.
        moment = until + timedelta(seconds=chance.uniform(0, 25))
    if spans and spans[-1].status in {"offline", "error"}:
        spans[-1] = Span(spans[-1].start, "running")
        if len(spans) > 1 and spans[-2].status == "running":
            spans.pop()
    return spans


def is_shift(moment: datetime, zone: ZoneInfo, works_at_night: bool) -> bool:
    """Tell whether people are at work: early and late shift on weekdays, early on Saturday."""
    local = moment.astimezone(zone)
    if local.weekday() == 6:
        return False
    if local.weekday() == 5:
        return 6 <= local.hour < 14
    return 6 <= local.hour < 22 or works_at_night


def _next_spell(
    chance: random.Random,
    before: str,
    busy: bool,
    battery: Mobile | None,
) -> _Spell:
    enough = CHARGE_AT_PERCENT if busy else 70.0
    if battery and battery.battery_percent <= enough:
        return _Spell("charging", (200, 200), ("Battery low",))
    if not busy:
        return _Spell("idle", (30, 60), ("No shift",))
    if before != "running":
        return _Spell("running", (18, 75))
    draw = chance.random()
    for probability, spell in _INTERRUPTIONS:
        if draw < probability:
            return spell
        draw -= probability
    return _MOBILE_PAUSE if battery else _PAUSE


def _until_battery(battery: Mobile, status: str, moment: datetime, until: datetime) -> datetime:
    """Let the battery go with the status and end it early where the battery does."""
    while moment < until:
        battery.advance(_STEP.total_seconds(), status)
        moment += _STEP
        charged = status == "charging" and battery.battery_percent >= CHARGED_PERCENT
        if charged or (status == "running" and battery.battery_percent <= CHARGE_AT_PERCENT):
            break
    return moment
