"""Close or delete the tasks of retired and purged robots."""

from __future__ import annotations

from apps.maintenance.choices import MaintenanceStatus
from apps.maintenance.models import MaintenanceTask
from apps.maintenance.services.part_movements import task_parts_release
from apps.maintenance.services.tasks.completion import append_note, close_cancelled
from apps.robots.models import Robot

# The work has begun or is done: users decide about it.
_KEPT_STATUSES = (MaintenanceStatus.IN_PROGRESS, MaintenanceStatus.REQUIRES_APPROVAL)


def tasks_close_of_retired_robot(robot: Robot, reason: str) -> None:
    """Cancel a retired robot's planned tasks.

    Work in progress, or finished and not approved, stays open with a note. The rows are locked in
    the order of their ids.

    Args:
        robot: Robot that retires; the caller has locked it.
        reason: Why the tasks are cancelled.
    """
    tasks = MaintenanceTask.objects.open().filter(robot=robot).order_by("pk")
    for task in tasks.select_for_update():
        if task.status in _KEPT_STATUSES:
            append_note(task, reason)
            task.save(update_fields=["notes"])
        else:
            close_cancelled(task, reason)


def tasks_delete_of_purged_robot(robot: Robot) -> int:
    """Delete all tasks of a robot that is purged; return their number.

    The database deletes their timelines. What open ones have reserved is released.

    Args:
        robot: Robot that is purged; the caller has locked it.
    """
    tasks = MaintenanceTask.objects.filter(robot=robot)
    for task in tasks.open().order_by("pk").select_for_update():
        task_parts_release(task)
    return int(tasks.delete()[0])
