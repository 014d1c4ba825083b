"""A plain model of maintenance schedules, written without recurrence rules and without SQL."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, timedelta

DAY = timedelta(days=1)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def instant(local, zone):
    """Return the first instant with this local time; in a gap, by the offset of the day before."""
    noon = datetime(local.year, local.month, local.day, tzinfo=UTC) - DAY
    offsets = {
        (noon + timedelta(hours=hours)).astimezone(zone).utcoffset() for hours in range(-24, 96)
    }
    found = [
        (local - offset).replace(tzinfo=UTC)
        for offset in offsets
        if (local - offset).replace(tzinfo=UTC).astimezone(zone).utcoffset() == offset
    ]
    before = (local - DAY).replace(tzinfo=zone).utcoffset()
    return min(found) if found else (local - before).replace(tzinfo=UTC)


def last_day(year, month):
    return calendar.monthrange(year, month)[1]


def is_occurrence(leg, day):
    start = leg.starts_on
    if day < start:
        return False
    months = (day.year - start.year) * 12 + day.month - start.month
    if leg.frequency == "daily":
        return (day - start).days % leg.interval == 0
    if leg.frequency == "weekly":
        mondays = [d - timedelta(days=d.weekday()) for d in (start, day)]
        weeks = (mondays[1] - mondays[0]).days // 7
        wanted = leg.weekdays or (WEEKDAYS[start.weekday()],)
        return weeks % leg.interval == 0 and WEEKDAYS[day.weekday()] in wanted
    if leg.frequency == "monthly":
        wanted = min(leg.month_day or start.day, last_day(day.year, day.month))
        return months % leg.interval == 0 and day.day == wanted
    wanted = min(start.day, last_day(day.year, day.month))
    is_year = (day.year - start.year) % leg.interval == 0
    return is_year and day.month == start.month and day.day == wanted


def add(day, leg):
    """Return the day one interval later; a month without it has its last day."""
    if leg.frequency in {"daily", "weekly"}:
        return day + leg.interval * DAY * (7 if leg.frequency == "weekly" else 1)
    months = leg.interval * (12 if leg.frequency == "yearly" else 1)
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, last_day(year, month + 1)))


def next_due(leg, zone, created, last_due, last_closed):
    """Walk day by day to the next due date."""
    if leg.anchor == "floating":
        first = instant(datetime.combine(leg.starts_on, leg.time_of_day), zone)
        if last_closed is None and first > created:
            return first
        day = add((last_closed or created).astimezone(zone).date(), leg)
        return instant(datetime.combine(day, leg.time_of_day), zone)
    after = max(item for item in (last_closed or created, last_due) if item is not None)
    day = max(leg.starts_on, after.astimezone(zone).date() - 2 * DAY)
    while True:
        if is_occurrence(leg, day):
            due = instant(datetime.combine(day, leg.time_of_day), zone)
            if due > after:
                return due
        day += DAY


def running_seconds(changes, start, end):
    """Add up the time in the status running; changes are (time, status)."""
    total, ordered = timedelta(), sorted(changes)
    for index, (time, status) in enumerate(ordered):
        stop = ordered[index + 1][0] if index + 1 < len(ordered) else end
        if status == "running":
            total += max(min(stop, end) - max(time, start), timedelta())
    return int(total.total_seconds())


class PlainSchedule:
    """One schedule of one robot."""

    def __init__(self, leg, zone, now, *, lead_days, hours=None, hours_anchor="floating"):
        self.leg, self.zone, self.created = leg, zone, now
        self.lead, self.hours, self.hours_anchor = lead_days * DAY, hours, hours_anchor
        self.last_due = self.last_closed = None
        self.counted_from, self.carry, self.measured = now, 0, 0
        self.open_due, self.changes = None, []

    def calendar_due(self):
        return self.leg and next_due(
            self.leg, self.zone, self.created, self.last_due, self.last_closed
        )

    def meter(self, now):
        return self.carry + running_seconds(self.changes, self.counted_from, now)

    def plan(self, now):
        """Return the due time of the task that opens now, if one opens."""
        if self.open_due is not None:
            return None
        due, found = self.calendar_due(), []
        if due is not None and due - self.lead <= now:
            found.append(due)
        if self.hours is not None:
            self.measured = max(0, self.meter(now))
            if self.meter(now) >= self.hours * 3600:
                found.append(now + self.lead)
        self.open_due = min(found, default=None)
        return self.open_due

    def close(self, now):
        due = self.calendar_due()
        if due is not None and due <= now + self.lead:
            self.last_due = due
        if self.hours is not None:
            meter, interval = self.meter(now), self.hours * 3600
            reached = max(meter, self.measured)
            self.carry = meter - (reached - reached % interval)
            if self.hours_anchor == "floating":
                self.carry = 0
        self.measured = max(0, self.carry)
        self.last_closed = self.counted_from = now
        self.open_due = None
