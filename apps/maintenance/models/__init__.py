"""Maintenance tasks, schedules, parts and their stocks."""

from __future__ import annotations

from apps.maintenance.models.calendar_feeds import CalendarFeed
from apps.maintenance.models.checklists import TaskFile, TaskStep
from apps.maintenance.models.events import TaskEvent
from apps.maintenance.models.labour import LabourEntry
from apps.maintenance.models.parts import Part, PartMovement, PartStock, TaskPart
from apps.maintenance.models.schedules import MaintenanceSchedule, MaintenanceScheduleState
from apps.maintenance.models.tasks import MaintenanceTask
from apps.maintenance.models.templates import TaskTemplate, TemplatePart, TemplateStep
from apps.maintenance.models.work_requests import RobotLabel, WorkRequest

__all__ = [
    "CalendarFeed",
    "LabourEntry",
    "MaintenanceSchedule",
    "MaintenanceScheduleState",
    "MaintenanceTask",
    "Part",
    "PartMovement",
    "PartStock",
    "RobotLabel",
    "TaskEvent",
    "TaskFile",
    "TaskPart",
    "TaskStep",
    "TaskTemplate",
    "TemplatePart",
    "TemplateStep",
    "WorkRequest",
]
