"""Open the tasks that fall due by maintenance schedules."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import F, Q

from apps.accounts.services.users import system_user_get
from apps.maintenance.models import MaintenanceScheduleState, MaintenanceTask
from apps.maintenance.selectors.schedules import (
    SECONDS_PER_HOUR,
    RobotZones,
    lead_time,
    state_calendar_due,
)
from apps.maintenance.services.schedule_states import measured_running_seconds
from apps.maintenance.services.tasks.checklists import task_steps_copy
from apps.robots.models import Robot
from urfmp.common.rendering.formats import format_number
from urfmp.common.tenancy.context import audit_action

# States that one call evaluates, and robots that join their schedules in it.
MAX_STATES_PER_RUN = 500
MAX_NEW_STATES_PER_RUN = 1_000
# Timezones, facilities and late status rows change after a state was evaluated.
_MAX_CHECK_INTERVAL = timedelta(days=1)
_MIN_CHECK_INTERVAL = timedelta(minutes=1)

# Two joins rather than one with OR, so that PostgreSQL can hash the robots by model.
_NEW_STATES_SQL = """
    INSERT INTO maintenance_schedule_states
        (organization_id, schedule_id, robot_id, created_at, counted_from, check_at)
    SELECT new.organization_id, new.schedule_id, new.robot_id, %(now)s, %(now)s, %(now)s
    FROM (
        SELECT s.organization_id, s.id AS schedule_id, r.id AS robot_id
        FROM maintenance_schedules s JOIN robots r ON r.id = s.robot_id
        WHERE s.organization_id = %(organization)s AND s.is_active AND r.is_active
        UNION ALL
        SELECT s.organization_id, s.id, r.id
        FROM maintenance_schedules s
        JOIN robots r ON r.vendor = s.vendor AND r.model = s.model
        WHERE s.organization_id = %(organization)s AND s.is_active AND r.is_active
    ) AS new
    WHERE NOT EXISTS (
        SELECT FROM maintenance_schedule_states t
        WHERE t.schedule_id = new.schedule_id AND t.robot_id = new.robot_id
    )
    LIMIT %(limit)s
    ON CONFLICT DO NOTHING
"""


def schedules_open_due_tasks(
    *, organization_id: UUID, now: datetime, limit: int = MAX_STATES_PER_RUN
) -> tuple[int, int]:
    """Open one organization's tasks that fall due within their lead time.

    Planners may run in parallel. Each locks other states and skips those that another one holds. A
    planner that begins while another one commits finds the states already evaluated. The unique
    index on open tasks decides every other race: a task that it rejects is open already.

    Args:
        organization_id: Organization whose transaction is open.
        now: Time of the run.
        limit: Number of states to evaluate.

    Returns:
        Number of states evaluated and of tasks opened.
    """
    with audit_action("maintenance.maintenance_schedule.open_tasks"):
        _create_missing_states(organization_id, now)
        states = _lock_states(now, limit)
        if not states:
            return 0, 0
        zones = RobotZones.of(organization_id)
        running = measured_running_seconds(states, now)
        tasks = {}
        for state in states:
            state.running_seconds = max(0, running.get(state.pk, 0))
            task = _evaluate(state, running.get(state.pk, 0), zones, now)
            if task is not None:
                tasks[state.pk] = task
        in_service = _lock_robots({state.robot_id for state in states if state.pk in tasks})
        for state in states:
            if state.pk in tasks and state.robot_id not in in_service:
                del tasks[state.pk]
                state.check_at = now + _MAX_CHECK_INTERVAL
        opened = _open(list(tasks.values()), organization_id)
        MaintenanceScheduleState.objects.bulk_update(
            states, ["due_at", "check_at", "running_seconds"]
        )
    return len(states), opened


def _create_missing_states(organization_id: UUID, now: datetime) -> None:
    parameters: dict[str, Any] = {
        "organization": organization_id,
        "now": now,
        "limit": MAX_NEW_STATES_PER_RUN,
    }
    with connection.cursor() as cursor:
        cursor.execute(_NEW_STATES_SQL, parameters)


def _lock_states(now: datetime, limit: int) -> list[MaintenanceScheduleState]:
    """Lock the states to evaluate.

    Those of retired robots and inactive schedules are left out.
    """
    of_model = Q(schedule__vendor=F("robot__vendor"), schedule__model=F("robot__model"))
    rows = (
        MaintenanceScheduleState.objects.filter(
            Q(schedule__robot=F("robot")) | of_model,
            check_at__lte=now,
            schedule__is_active=True,
            robot__is_active=True,
        )
        .select_related("schedule", "robot")
        .order_by("check_at", "id")
        .select_for_update(skip_locked=True, of=("self",))
    )
    return list(rows[:limit])


def _lock_robots(robot_ids: set[UUID]) -> set[UUID]:
    """Lock robots against being retired meanwhile; return those in service."""
    rows = Robot.objects.filter(pk__in=robot_ids, is_active=True).order_by("pk")
    return set(rows.select_for_update(no_key=True).values_list("pk", flat=True))


def _evaluate(
    state: MaintenanceScheduleState, running_seconds: int, zones: RobotZones, now: datetime
) -> MaintenanceTask | None:
    """Update a state; return the task if work is due."""
    schedule = state.schedule
    lead = lead_time(schedule)
    state.due_at = state_calendar_due(state, zones.zone(state.robot))
    due, checks, note = [], [now + _MAX_CHECK_INTERVAL], None
    if state.due_at is not None:
        checks.append(state.due_at - lead)
        if state.due_at - lead <= now:
            due.append(state.due_at)
    if schedule.running_hours is not None:
        left = timedelta(seconds=schedule.running_hours * SECONDS_PER_HOUR - running_seconds)
        # The meter cannot run faster than the clock.
        checks.append(now + left)
        if left <= timedelta():
            due.append(now + lead)
            hours = format_number(running_seconds // SECONDS_PER_HOUR)
            note = f"Opened at {hours} of {format_number(schedule.running_hours)} running hours."
    if not due:
        state.check_at = max(min(checks), now + _MIN_CHECK_INTERVAL)
        return None
    state.check_at = None
    return MaintenanceTask(
        organization_id=state.organization_id,
        schedule=schedule,
        robot=state.robot,
        template_id=schedule.template_id,
        title=schedule.title,
        description=schedule.description,
        type=schedule.type,
        priority=schedule.priority,
        assigned_to_id=schedule.assigned_to_id,
        estimated_duration=schedule.estimated_duration,
        scheduled_at=min(due),
        due_at=min(due),
        notes=note,
    )


def _open(tasks: list[MaintenanceTask], organization_id: UUID) -> int:
    if not tasks:
        return 0
    author = system_user_get(organization_id=organization_id)
    for task in tasks:
        task.created_by = author
    MaintenanceTask.objects.bulk_create(tasks, ignore_conflicts=True)
    opened = MaintenanceTask.objects.filter(pk__in=[task.pk for task in tasks])
    found = set(opened.values_list("pk", flat=True))
    task_steps_copy([task for task in tasks if task.pk in found])
    return len(found)
