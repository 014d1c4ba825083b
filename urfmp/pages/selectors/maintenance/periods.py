"""Periods of the maintenance calendar, in local days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from dateutil.relativedelta import relativedelta
from django.db import models

from apps.maintenance.models.schedules import MAX_START_YEAR, MIN_START_YEAR
from urfmp.common.time.local import start_of_day

AGENDA_DAYS = 14
_DAYS_PER_WEEK = 7
_FIRST_DAY = date(MIN_START_YEAR, 1, 1)
_LAST_DAY = date(MAX_START_YEAR - 1, 12, 31)


class CalendarView(models.TextChoices):
    """What the calendar shows at once."""

    MONTH = "month", "Month"
    WEEK = "week", "Week"
    AGENDA = "agenda", "Agenda"
    DAY = "day", "Day"


@dataclass(frozen=True)
class Period:
    """Consecutive days of the calendar.

    Attributes:
        view: View that shows them.
        anchor: Day that the user chose.
        days: The days; whole weeks, from Monday, in a month.
        previous: Day that leads to the period before.
        next: Day that leads to the period after.
    """

    view: CalendarView
    anchor: date
    days: tuple[date, ...]
    previous: date
    next: date

    def limits(self, zone: tzinfo) -> list[datetime]:
        """Return the start of each day, and the last end."""
        days = [*self.days, self.days[-1] + timedelta(days=1)]
        return [start_of_day(day, zone) for day in days]


def parse_day(text: str, today: date) -> date:
    """Return the day of a query parameter.

    A text that is not a day means today. A day outside the years of schedules becomes the nearest
    one within.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return today
    return _within(day)


def period_of(view: CalendarView, day: date) -> Period:
    """Return the period that contains a day; an agenda begins with it."""
    if view == CalendarView.MONTH:
        first = day.replace(day=1)
        start = first - timedelta(days=first.weekday())
        last = first + relativedelta(months=1, days=-1)
        length = (last - start).days // _DAYS_PER_WEEK * _DAYS_PER_WEEK + _DAYS_PER_WEEK
        step = relativedelta(months=1)
        return Period(view, day, _days(start, length), _within(first - step), _within(first + step))
    lengths = {CalendarView.WEEK: _DAYS_PER_WEEK, CalendarView.AGENDA: AGENDA_DAYS}
    length = lengths.get(view, 1)
    start = day - timedelta(days=day.weekday()) if view == CalendarView.WEEK else day
    return Period(
        view,
        day,
        _days(start, length),
        _within(day - timedelta(days=length)),
        _within(day + timedelta(days=length)),
    )


def _days(start: date, length: int) -> tuple[date, ...]:
    return tuple(start + timedelta(days=number) for number in range(length))


def _within(day: date) -> date:
    return min(max(day, _FIRST_DAY), _LAST_DAY)
