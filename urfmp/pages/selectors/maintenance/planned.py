"""Planned dates of schedules in the maintenance calendar."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Min, Q
from django.utils import timezone

from apps.maintenance.choices import ScheduleAnchor
from apps.maintenance.models import MaintenanceSchedule, MaintenanceScheduleState
from apps.maintenance.selectors.next_due import occurrences_after
from apps.maintenance.selectors.schedules import RobotZones, calendar_leg, lead_time
from apps.robots.selectors.places import place_name
from urfmp.pages.selectors.maintenance.entries import CalendarDay, CalendarFilter, PlannedEntry

# Groups of robots whose schedules are due at the same time.
MAX_PLANNED_GROUPS = 300
_MICROSECOND = timedelta(microseconds=1)


def add_planned(
    days: list[CalendarDay],
    principal: Any,
    limits: Sequence[datetime],
    shown: int,
    filters: CalendarFilter,
) -> bool:
    """Add the planned dates; return whether some were left out.

    Dates of the past have or had their tasks. The dates of a floating schedule after its next one
    depend on when the work is done, so they are not shown.
    """
    now = timezone.now()
    if limits[-1] <= now:
        return False
    groups = _state_groups(principal, limits[-1], filters)
    is_cut = len(groups) > MAX_PLANNED_GROUPS
    groups = groups[:MAX_PLANNED_GROUPS]
    if not groups:
        return False
    schedules = MaintenanceSchedule.objects.in_bulk({group["schedule_id"] for group in groups})
    zones = RobotZones.of(principal.organization_id)
    start = max(limits[0], now)
    known: dict[Any, list[datetime]] = {}
    entries: list[dict[UUID, PlannedEntry]] = [{} for _ in days]
    for group in groups:
        schedule = schedules[group["schedule_id"]]
        zone = zones.facilities.get(group["facility"], zones.default)
        key = (schedule.pk, zone.key)
        if key not in known:
            known[key] = _fixed_dates(schedule, zone, start, limits[-1])
        for at in _group_dates(group, schedule, known[key], (start, limits[-1], now)):
            number = _day_number(limits, at)
            found = entries[number].get(schedule.pk)
            if found is None:
                found = PlannedEntry(schedule, at, 0, group["robot_name"])
                entries[number][schedule.pk] = found
            found.robots += group["robots"]
            found.at = min(found.at, at)
    for day, of_day in zip(days, entries, strict=True):
        day.planned_count = len(of_day)
        ordered = sorted(of_day.values(), key=lambda entry: (entry.at, entry.schedule.title))
        day.planned = ordered[:shown]
    return is_cut


def _state_groups(principal: Any, end: datetime, filters: CalendarFilter) -> list[dict[str, Any]]:
    """Return the robots of each schedule by facility and next due date."""
    of_model = Q(schedule__vendor=F("robot__vendor"), schedule__model=F("robot__model"))
    states = MaintenanceScheduleState.objects.filter(
        Q(schedule__robot=F("robot")) | of_model,
        organization_id=principal.organization_id,
        schedule__in=MaintenanceSchedule.objects.restrict(principal),
        schedule__is_active=True,
        schedule__frequency__isnull=False,
        robot__is_active=True,
        due_at__lt=end,
    )
    rows = (
        filters.apply(states, "schedule__")
        .annotate(
            facility=place_name("facility", "robot__location"),
            is_open=Q(check_at__isnull=True),
        )
        .order_by()
        .values("schedule_id", "facility", "due_at", "is_open")
        .annotate(robots=Count("pk"), robot_name=Min("robot__name"))
        .order_by("due_at", "schedule_id", "facility", "is_open")
    )
    return list(rows[: MAX_PLANNED_GROUPS + 1])


def _fixed_dates(
    schedule: MaintenanceSchedule, zone: Any, start: datetime, end: datetime
) -> list[datetime]:
    leg = calendar_leg(schedule)
    if leg is None or leg.anchor != ScheduleAnchor.FIXED:
        return []
    dates = []
    for at in occurrences_after(leg, start - _MICROSECOND, zone):
        if at >= end:
            break
        dates.append(at)
    return dates


def _group_dates(
    group: dict[str, Any],
    schedule: MaintenanceSchedule,
    fixed: list[datetime],
    bounds: tuple[datetime, datetime, datetime],
) -> list[datetime]:
    """Return the planned dates of robots with the same next due date."""
    start, end, now = bounds
    due = group["due_at"]
    # The open task handles the date, unless running hours opened it long before.
    is_handled = group["is_open"] and due - lead_time(schedule) <= now
    if schedule.calendar_anchor == ScheduleAnchor.FIXED:
        return [at for at in fixed if at > due or (at == due and not is_handled)]
    return [due] if not group["is_open"] and start <= due < end else []


def _day_number(limits: Sequence[datetime], at: datetime) -> int:
    """Return the index of the day that contains an instant."""
    return bisect_right(limits, at) - 1
