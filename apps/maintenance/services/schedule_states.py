"""Re-arm the legs of a schedule when its task is closed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from apps.maintenance.models import MaintenanceScheduleState, MaintenanceTask
from apps.maintenance.selectors.next_due import calendar_handled, meter_carry
from apps.maintenance.selectors.schedules import (
    SECONDS_PER_HOUR,
    RobotZones,
    lead_time,
    state_calendar_due,
)
from apps.robots.selectors.status_intervals import running_seconds_since


def schedule_state_rearm(task: MaintenanceTask, closed_at: datetime) -> None:
    """Re-arm a schedule for the robot whose task is closed.

    The caller has locked the task and closes it in the same transaction. The state is locked
    against an update of its schedule. The next run of the planner finds when work is due.

    Args:
        task: Task that is completed or cancelled; without a schedule, nothing changes.
        closed_at: When it is closed.
    """
    if task.schedule_id is None or task.robot_id is None:
        return
    states = MaintenanceScheduleState.objects.filter(
        schedule_id=task.schedule_id, robot_id=task.robot_id
    )
    state: MaintenanceScheduleState | None = (
        states.select_related("schedule", "robot").select_for_update(of=("self",)).first()
    )
    if state is None:  # the schedule has another robot or model now
        return
    schedule = state.schedule
    zone = RobotZones.of(state.organization_id).zone(state.robot)
    due_at = state_calendar_due(state, zone)
    if due_at is not None and calendar_handled(due_at, closed_at, lead_time(schedule)):
        state.last_due_at = due_at
    state.last_closed_at = closed_at
    if schedule.running_hours is not None:
        running = measured_running_seconds([state], closed_at)[state.pk]
        state.carried_seconds = meter_carry(
            schedule.running_hours * SECONDS_PER_HOUR,
            running,
            state.running_seconds,
            schedule.running_hours_anchor,
        )
    else:
        state.carried_seconds = 0
    state.counted_from = closed_at
    state.running_seconds = max(0, state.carried_seconds)
    state.due_at = state_calendar_due(state, zone)
    state.check_at = closed_at
    state.save()


def schedule_state_recheck(task: MaintenanceTask) -> None:
    """Let the planner's next run check the schedule for the task's robot.

    Args:
        task: Task that is closed; the caller has locked it.
    """
    if task.robot_id is None:
        return
    MaintenanceScheduleState.objects.filter(
        schedule_id=task.schedule_id, robot_id=task.robot_id
    ).update(check_at=timezone.now())


def measured_running_seconds(
    states: Collection[MaintenanceScheduleState], now: datetime
) -> dict[UUID, int]:
    """Return the running seconds of states that count them; one query."""
    counted = [state for state in states if state.schedule.running_hours is not None]
    found = running_seconds_since(
        [(state.pk, state.robot_id, state.counted_from) for state in counted], now
    )
    return {state.pk: state.carried_seconds + found.get(state.pk, 0) for state in counted}
