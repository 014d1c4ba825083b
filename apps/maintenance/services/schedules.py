"""Create, change and delete maintenance schedules."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.db.models.functions import Now

from apps.accounts.models import User
from apps.maintenance.choices import Frequency, ScheduleAnchor, Weekday
from apps.maintenance.models import MaintenanceSchedule, MaintenanceScheduleState
from apps.maintenance.models.schedules import MAX_INTERVAL, MAX_START_YEAR, MIN_START_YEAR
from apps.robots.services.robots import require_in_service
from urfmp.common.tenancy.context import audit_action


def schedule_create(
    *, organization_id: UUID, created_by: User, **fields: Any
) -> MaintenanceSchedule:
    """Create a schedule.

    The planner applies it to its robots within a minute.

    Raises:
        ValidationError: A field is invalid, or a reference belongs to another organization.
    """
    schedule = MaintenanceSchedule(organization_id=organization_id, created_by=created_by, **fields)
    with audit_action("maintenance.maintenance_schedule.create"):
        schedule_check(schedule)
        require_in_service(schedule.robot)
        schedule.save(force_insert=True)
    return schedule


def schedule_update(schedule: MaintenanceSchedule, **changes: Any) -> MaintenanceSchedule:
    """Change a schedule; its open tasks stay as they are.

    The row is locked, so that two updates cannot combine into a schedule that no one has checked.
    Robots that no longer belong to it lose their state. The planner evaluates the others again.

    Raises:
        ValidationError: A field is invalid, or a reference belongs to another organization.
    """
    with audit_action("maintenance.maintenance_schedule.update"):
        schedule = MaintenanceSchedule.objects.select_for_update().get(pk=schedule.pk)
        robot_id = schedule.robot_id
        for name, value in changes.items():
            setattr(schedule, name, value)
        schedule_check(schedule)
        if schedule.robot_id != robot_id:
            require_in_service(schedule.robot)
        schedule.save()
        states = MaintenanceScheduleState.objects.filter(schedule=schedule)
        of_robot = Q(robot=schedule.robot_id)
        of_model = Q(robot__vendor=schedule.vendor, robot__model=schedule.model)
        is_target = of_robot if schedule.robot_id else of_model
        states.exclude(pk__in=states.filter(is_target).values("pk")).delete()
        states.filter(check_at__isnull=False).update(check_at=Now())
    return schedule


def schedule_delete(schedule: MaintenanceSchedule) -> None:
    """Delete a schedule; the tasks that it opened stay, without it."""
    with audit_action("maintenance.maintenance_schedule.delete"):
        schedule.delete()


def schedules_count_of_purged_robot(robot: Any) -> int:
    """Return the number of schedules that go with a purged robot."""
    return int(MaintenanceSchedule.objects.filter(robot=robot).count())


def schedule_check(schedule: MaintenanceSchedule) -> None:
    """Validate and normalize a schedule without saving it.

    Raises:
        ValidationError: A field is invalid, or a reference belongs to another organization.
    """
    organization_id = schedule.organization_id
    if schedule.robot is not None and schedule.robot.organization_id != organization_id:
        raise ValidationError({"robot": "Robot not found."})
    user = schedule.assigned_to
    if user is not None and user.organization_id != organization_id:
        raise ValidationError({"assigned_to": "User not found."})
    template = schedule.template
    if template is not None and template.organization_id != organization_id:
        raise ValidationError({"template": "Template not found."})
    schedule.vendor, schedule.model = schedule.vendor or None, schedule.model or None
    schedule.frequency = schedule.frequency or None
    _normalize_calendar(schedule)
    _check_target(schedule)
    _check_calendar(schedule)
    schedule.full_clean()


def _normalize_calendar(schedule: MaintenanceSchedule) -> None:
    if schedule.frequency is None:
        schedule.starts_on, schedule.interval = None, 1
        schedule.weekdays, schedule.month_day = [], None
    if schedule.time_of_day is not None:
        schedule.time_of_day = schedule.time_of_day.replace(second=0, microsecond=0)
    days = schedule.weekdays or []
    schedule.weekdays = [day for day in Weekday.values if day in days] + [
        day for day in days if day not in Weekday.values
    ]


def _check_target(schedule: MaintenanceSchedule) -> None:
    has_model = schedule.vendor is not None and schedule.model is not None
    if schedule.robot_id is not None and (schedule.vendor or schedule.model):
        raise ValidationError({"robot": "Select a robot, or a vendor and a model, not both."})
    if schedule.robot_id is None and not has_model:
        raise ValidationError({"robot": "Select a robot, or enter a vendor and a model."})


def _check_calendar(schedule: MaintenanceSchedule) -> None:
    errors: dict[str, str] = {}
    frequency = schedule.frequency
    is_fixed = schedule.calendar_anchor == ScheduleAnchor.FIXED
    if frequency is None and schedule.running_hours is None:
        errors["frequency"] = "Set the calendar, the running hours, or both."
    if frequency is not None and schedule.starts_on is None:
        errors["starts_on"] = "Enter the first day of the calendar."
    if (day := schedule.starts_on) is not None and not MIN_START_YEAR <= day.year < MAX_START_YEAR:
        errors["starts_on"] = f"Enter a day between {MIN_START_YEAR} and {MAX_START_YEAR - 1}."
    limit = MAX_INTERVAL[Frequency(frequency)] if frequency in Frequency.values else None
    if limit is not None and (schedule.interval or 0) > limit:
        errors["interval"] = f"Enter at most {limit}: ten years."
    if schedule.weekdays and not (frequency == Frequency.WEEKLY and is_fixed):
        errors["weekdays"] = "Weekdays need a calendar in weeks that counts from the planned date."
    if schedule.month_day and not (frequency == Frequency.MONTHLY and is_fixed):
        errors["month_day"] = (
            "A day of the month needs a calendar in months that counts from the planned date."
        )
    if errors:
        raise ValidationError(errors)
