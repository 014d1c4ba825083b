"""Next due date of a schedule: pure functions of legs and anchors.

The calendar is a recurrence rule of RFC 5545, evaluated on local times without an offset and then
placed in the timezone. So 08:00 remains 08:00 across daylight saving. A month without the chosen
day uses its last day, which RFC 5545 expresses with BYSETPOS.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from dateutil.relativedelta import relativedelta
from dateutil.rrule import DAILY, MO, MONTHLY, WEEKLY, YEARLY, rrule

from apps.maintenance.choices import Frequency, ScheduleAnchor, Weekday
from urfmp.common.time.local import recurring_instant

_RULE_FREQUENCIES = {
    Frequency.DAILY: DAILY,
    Frequency.WEEKLY: WEEKLY,
    Frequency.MONTHLY: MONTHLY,
    Frequency.YEARLY: YEARLY,
}
_WEEKDAY_NUMBERS = {weekday: number for number, weekday in enumerate(Weekday.values)}
# Months have 28 days at least: later days need a fallback.
_LAST_COMMON_DAY = 28
# More than the largest change of a UTC offset, so that no occurrence is missed.
_MARGIN = timedelta(days=2)


@dataclass(frozen=True)
class CalendarLeg:
    """Work every so many days, weeks, months or years.

    Attributes:
        frequency: Unit of the interval.
        interval: Number of units between two occurrences.
        starts_on: First day; days, weeks, months and years are counted from it.
        time_of_day: Local time of each occurrence.
        weekdays: Weekdays of a weekly rule; by default that of the first day.
        month_day: Day of a monthly rule; by default that of the first day.
        anchor: Whether the rule is fixed, or counts from the day on which a task is closed.
    """

    frequency: str
    interval: int
    starts_on: date
    time_of_day: time = time(8)
    weekdays: tuple[str, ...] = ()
    month_day: int | None = None
    anchor: str = ScheduleAnchor.FIXED


@dataclass(frozen=True)
class CalendarAnchors:
    """What is known of a robot's earlier work under a schedule.

    Attributes:
        created_at: When the schedule began to apply to the robot.
        last_due_at: Latest occurrence that a closed task has handled.
        last_closed_at: When the last task was completed or cancelled.
    """

    created_at: datetime
    last_due_at: datetime | None = None
    last_closed_at: datetime | None = None


def calendar_next_due(leg: CalendarLeg, anchors: CalendarAnchors, zone: tzinfo) -> datetime:
    """Return when work is due next by the calendar, in UTC.

    Fixed: the first occurrence after the one that the last task handled and after the end of that
    task; occurrences that passed meanwhile are skipped. Floating: the interval after the day on
    which the last task ended. Before the first task, a floating schedule is due on its first day,
    or the interval after it began to apply if that day has passed.
    """
    after = anchors.last_closed_at or anchors.created_at
    if leg.anchor == ScheduleAnchor.FIXED:
        after = max(after, anchors.last_due_at or after)
        return next(occurrences_after(leg, after, zone))
    start = recurring_instant(datetime.combine(leg.starts_on, leg.time_of_day), zone)
    if anchors.last_closed_at is None and start > after:
        return start
    day = after.astimezone(zone).date() + _step(leg)
    return recurring_instant(datetime.combine(day, leg.time_of_day), zone)


def calendar_preview(
    leg: CalendarLeg, now: datetime, zone: tzinfo, count: int = 5
) -> list[datetime]:
    """Return the next due dates, in UTC.

    Each task is taken as closed when it is due.
    """
    anchors = CalendarAnchors(now)
    dates: list[datetime] = []
    for _ in range(count):
        due = calendar_next_due(leg, anchors, zone)
        anchors = CalendarAnchors(now, due, due)
        dates.append(due)
    return dates


def calendar_handled(due_at: datetime, closed_at: datetime, lead: timedelta) -> bool:
    """Return whether a closed task handles an occurrence of the calendar.

    It does within the lead time of the occurrence. A task that running hours opened months before
    the next date of the calendar leaves that date.
    """
    return due_at - lead <= closed_at


def occurrences_after(leg: CalendarLeg, after: datetime, zone: tzinfo) -> Iterator[datetime]:
    """Yield the occurrences of a fixed rule after an instant, in UTC."""
    local = after.astimezone(zone).replace(tzinfo=None, fold=0) - _MARGIN
    for occurrence in _rule(leg, local):
        instant = recurring_instant(occurrence, zone)
        if instant > after:
            yield instant


def meter_carry(
    interval_seconds: int, running_seconds: int, measured_seconds: int, anchor: str
) -> int:
    """Return the running seconds at which the meter starts again.

    Called when a task is closed.

    Floating: none. Fixed: the time since the last planned value that was reached, so that the next
    one stays where it is planned. Late status rows may have lowered the running time after a task
    opened; the value that opened it counts as reached, and the carry is negative then.

    Args:
        interval_seconds: Running time between two planned values.
        running_seconds: Running time when the task is closed.
        measured_seconds: Running time as last measured before, such as when the task opened.
        anchor: Whether the planned values are fixed or count from the end of the task.
    """
    if anchor == ScheduleAnchor.FLOATING:
        return 0
    reached = max(running_seconds, measured_seconds) // interval_seconds
    return running_seconds - reached * interval_seconds


def _step(leg: CalendarLeg) -> relativedelta:
    units = {
        Frequency.DAILY: "days",
        Frequency.WEEKLY: "weeks",
        Frequency.MONTHLY: "months",
        Frequency.YEARLY: "years",
    }
    step: dict[str, Any] = {units[Frequency(leg.frequency)]: leg.interval}
    return relativedelta(**step)


def _rule(leg: CalendarLeg, local: datetime) -> rrule:
    """Return the recurrence rule, starting shortly before a local time if possible."""
    options: dict[str, Any] = {}
    start = datetime.combine(leg.starts_on, leg.time_of_day)
    frequency = Frequency(leg.frequency)
    if frequency == Frequency.WEEKLY and leg.weekdays:
        options["byweekday"] = [_WEEKDAY_NUMBERS[day] for day in leg.weekdays]
    if frequency in {Frequency.MONTHLY, Frequency.YEARLY}:
        is_monthly = frequency == Frequency.MONTHLY
        day = (leg.month_day if is_monthly else None) or start.day
        options["bymonthday"] = [*range(min(day, _LAST_COMMON_DAY), day + 1)]
        options["bysetpos"] = -1
        if not is_monthly:
            options["bymonth"] = start.month
    if frequency in {Frequency.DAILY, Frequency.WEEKLY}:
        # Whole intervals are skipped, so that a rule of many years is not walked day by day.
        days = leg.interval * (7 if frequency == Frequency.WEEKLY else 1)
        start += timedelta(days=max(0, (local - start).days // days * days))
    return rrule(
        _RULE_FREQUENCIES[frequency],
        dtstart=start,
        interval=leg.interval,
        wkst=MO,
        **options,
    )
