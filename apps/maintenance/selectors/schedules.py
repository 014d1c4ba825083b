"""Legs of a schedule, timezones of robots, and due dates for pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import F

from apps.maintenance.models import MaintenanceSchedule, MaintenanceScheduleState
from apps.maintenance.selectors.next_due import (
    CalendarAnchors,
    CalendarLeg,
    calendar_next_due,
    calendar_preview,
)
from apps.organizations.models import Facility, Organization
from apps.robots.models import Robot
from urfmp.common.time.zones import zone_or_utc

SECONDS_PER_HOUR = 3600
MAX_ROBOT_SCHEDULES = 50


@dataclass(frozen=True)
class RobotZones:
    """Timezones of an organization's robots: that of the facility, else the organization's.

    Attributes:
        default: Timezone of the organization.
        facilities: Timezone of each facility that has one of its own, by name.
    """

    default: ZoneInfo
    facilities: dict[str, ZoneInfo]

    @classmethod
    def of(cls, organization_id: UUID) -> RobotZones:
        """Return the timezones of an organization; two queries."""
        organization = Organization.objects.only("settings").get(pk=organization_id)
        rows = Facility.objects.filter(organization_id=organization_id).exclude(timezone="")
        return cls(
            zone_or_utc(organization.timezone),
            {name: zone_or_utc(zone) for name, zone in rows.values_list("name", "timezone")},
        )

    def zone(self, robot: Robot | None) -> ZoneInfo:
        """Return the timezone in which a robot's schedules are evaluated."""
        facility = robot.facility if robot is not None else ""
        return self.facilities.get(facility, self.default)


def calendar_leg(schedule: MaintenanceSchedule) -> CalendarLeg | None:
    """Return the calendar of a schedule; None if it has none."""
    if not schedule.frequency or schedule.starts_on is None:
        return None
    return CalendarLeg(
        frequency=schedule.frequency,
        interval=schedule.interval,
        starts_on=schedule.starts_on,
        time_of_day=schedule.time_of_day,
        weekdays=tuple(schedule.weekdays),
        month_day=schedule.month_day,
        anchor=schedule.calendar_anchor,
    )


def state_calendar_due(state: MaintenanceScheduleState, zone: ZoneInfo) -> datetime | None:
    """Return when a robot is due by its schedule's calendar, if any."""
    if (leg := calendar_leg(state.schedule)) is None:
        return None
    anchors = CalendarAnchors(state.created_at, state.last_due_at, state.last_closed_at)
    return calendar_next_due(leg, anchors, zone)


def schedule_preview(schedule: MaintenanceSchedule, now: datetime) -> list[datetime]:
    """Return the next due dates of a schedule's calendar, in UTC.

    They are those of a robot that joins now. A schedule of a model uses the timezone of the
    organization.
    """
    if (leg := calendar_leg(schedule)) is None:
        return []
    zone = RobotZones.of(schedule.organization_id).zone(schedule.robot)
    return calendar_preview(leg, now, zone)


@dataclass(frozen=True)
class RobotSchedule:
    """The current state of a schedule for one robot.

    Attributes:
        schedule: The schedule.
        due_at: Next due date by the calendar, if it has one.
        has_open_task: Whether a task is open for this robot.
        running_hours: Running hours of its meter, as last measured.
        hours_left: Running hours until work is due, if running hours count; not below 0.
    """

    schedule: MaintenanceSchedule
    due_at: datetime | None
    has_open_task: bool
    running_hours: int
    hours_left: int | None


def robot_schedules(principal: Any, robot: Robot) -> list[RobotSchedule]:
    """Return a robot's active schedules, the next due first; one query."""
    rows = MaintenanceScheduleState.objects.filter(
        robot=robot,
        schedule__is_active=True,
        schedule__in=MaintenanceSchedule.objects.restrict(principal),
    )
    rows = rows.select_related("schedule").order_by(F("due_at").asc(nulls_last=True), "id")
    return [_robot_schedule(state) for state in rows[:MAX_ROBOT_SCHEDULES]]


def _robot_schedule(state: MaintenanceScheduleState) -> RobotSchedule:
    hours = state.running_seconds // SECONDS_PER_HOUR
    interval = state.schedule.running_hours
    return RobotSchedule(
        schedule=state.schedule,
        due_at=state.due_at,
        has_open_task=state.check_at is None,
        running_hours=hours,
        hours_left=max(0, interval - hours) if interval is not None else None,
    )


def lead_time(schedule: MaintenanceSchedule) -> timedelta:
    """Return how long before its due date a task opens."""
    return timedelta(days=schedule.lead_days)
