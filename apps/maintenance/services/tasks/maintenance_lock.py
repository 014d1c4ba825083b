"""The maintenance lock of a robot during work on it."""

from __future__ import annotations

from apps.accounts.models import User
from apps.maintenance.choices import MaintenanceStatus
from apps.maintenance.exceptions import TaskStateError
from apps.maintenance.models import MaintenanceTask
from apps.maintenance.querysets import MaintenanceTaskQuerySet
from apps.maintenance.services.task_locking import task_lock
from apps.robots.models import Robot
from apps.robots.services.maintenance_lock import maintenance_lock_release, maintenance_lock_set
from apps.robots.services.robots import robot_lock


def task_and_robot_lock(task: MaintenanceTask) -> tuple[MaintenanceTask, Robot | None]:
    """Lock a task, and its robot first if it locks it.

    A retirement locks the robot before its tasks: the other order would end in a deadlock.

    Returns:
        The task, and the robot if the task locks it.

    Raises:
        TaskStateError: The task's robot has just been changed.
    """
    seen = MaintenanceTask.objects.only("robot_id", "locks_robot", "robot_locked_at").get(
        pk=task.pk
    )
    is_locking = seen.locks_robot or seen.robot_locked_at is not None
    robot = robot_lock(seen.robot_id) if is_locking and seen.robot_id else None
    task = task_lock(task)
    is_locking_now = task.locks_robot or task.robot_locked_at is not None
    if (is_locking_now and task.robot_id) and (robot is None or robot.pk != task.robot_id):
        msg = "The task has just been changed. Try again."
        raise TaskStateError(msg)
    return task, robot


def task_maintenance_lock_set(
    task: MaintenanceTask, robot: Robot | None, user: User | None
) -> None:
    """Lock the robot for maintenance, if the task asks for it.

    The caller saves the task. A lock that a user has set stays the user's. A lock of another task
    is shared.

    Args:
        task: Task that starts or resumes; its row is locked.
        robot: Robot of `task_and_robot_lock`.
        user: User who starts the work; None for an API key.

    Raises:
        RobotRetiredError: The robot is retired.
    """
    if robot is None or not task.locks_robot:
        return
    if robot.maintenance_locked_at is None:
        task.robot_locked_at = maintenance_lock_set(robot, user).maintenance_locked_at
    elif _shares(task, robot).exists():
        task.robot_locked_at = robot.maintenance_locked_at


def task_maintenance_lock_release(
    task: MaintenanceTask, robot: Robot | None, user: User | None
) -> None:
    """Release the robot's lock if it belongs to this task alone.

    The caller saves the task.

    Args:
        task: Task that stops; its row is locked.
        robot: Robot of `task_and_robot_lock`.
        user: User who stops the work; None for an API key.
    """
    if task.robot_locked_at is None:
        return
    is_same = robot is not None and robot.maintenance_locked_at == task.robot_locked_at
    task.robot_locked_at = None
    if robot is not None and is_same and not _shares(task, robot).exists():
        maintenance_lock_release(robot, user)


def _shares(task: MaintenanceTask, robot: Robot) -> MaintenanceTaskQuerySet:
    """Return the other tasks in progress that have the robot's present lock."""
    tasks: MaintenanceTaskQuerySet = MaintenanceTask.objects.filter(
        robot_id=robot.pk,
        robot_locked_at=robot.maintenance_locked_at,
        status=MaintenanceStatus.IN_PROGRESS,
    ).exclude(pk=task.pk)
    return tasks
