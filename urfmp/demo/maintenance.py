"""Maintenance of the demo fleet: tasks, schedules, parts and requests."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from apps.maintenance.choices import PartMovementKind, TaskEventKind
from apps.maintenance.models import LabourEntry, MaintenanceTask, TaskEvent
from apps.maintenance.services.part_movements import part_movement_create
from apps.maintenance.services.parts import part_create, part_stock_create
from apps.maintenance.services.robot_labels import robot_labels_issue
from apps.maintenance.services.work_requests import work_request_create
from apps.organizations.models import Facility
from apps.robots.models import Robot
from urfmp.demo.events import DemoContext

_PARTS = {
    "grease": {"part": "GRS-LM2", "name": "Gear grease", "quantity": 2, "unit_cost": 18.5},
    "belt": {"part": "BLT-6-410", "name": "Axis belt", "quantity": 1, "unit_cost": 74.0},
    "tip": {"part": "TIP-CU16", "name": "Electrode tip", "quantity": 24, "unit_cost": 1.9},
    "cup": {"part": "VAC-B30", "name": "Vacuum cup", "quantity": 6, "unit_cost": 6.4},
    "pack": {"part": "BAT-48-40", "name": "Battery pack", "quantity": 1, "unit_cost": 1290.0},
}


# Quantity that is kept and least quantity of each part. Electrode tips and battery packs are low.
_STOCKS = {
    "grease": ("14", "6"),
    "belt": ("3", "2"),
    "tip": ("40", "96"),
    "cup": ("30", "12"),
    "pack": ("0", "1"),
}
# serial, type, title, days ago, minutes planned, actual minutes, cost, part
_COMPLETED = (
    ("KUKA-210-88120", "lubrication", "Grease axes 1 to 3", 6.2, 60, 74, "212.00", "grease"),
    ("KUKA-210-88121", "replacement", "Change electrode tips", 5.1, 30, 26, "118.60", "tip"),
    ("UR10E-20221104", "inspection", "Check joint brakes", 4.8, 45, 41, "96.00", None),
    ("FNC-710-19866", "corrective", "Replace belt of axis 4", 3.9, 120, 168, "540.00", "belt"),
    ("ABB-5500-70231", "cleaning", "Clean atomizer and hoses", 3.2, 40, 38, "80.00", None),
    ("MIR250-30117", "replacement", "Replace battery pack", 2.7, 50, 55, "1385.00", "pack"),
    ("UR20-20240212", "replacement", "Replace vacuum cups", 1.9, 20, 17, "64.40", "cup"),
    ("TM12-A04419", "calibration", "Calibrate camera to flange", 1.2, 60, 63, "140.00", None),
    ("KUKA-210-88121", "corrective", "Replace cable of the gun", 4.4, 60, 95, "310.00", None),
    ("UR10E-20221104", "emergency", "Gripper dropped a rotor", 2.3, 30, 52, "145.00", None),
    ("DSN-A0912-0083", "cleaning", "Clean gripper of flour", 2.1, 20, 22, "30.00", None),
)
# Failure, cause and remedy of the unplanned ones, and hours from report to start.
_FINDINGS: dict[str, tuple[str, str, str, float]] = {
    "Replace belt of axis 4": ("drive", "wear", "replaced", 1.5),
    "Replace cable of the gun": ("cable", "wear", "replaced", 0.7),
    "Gripper dropped a rotor": ("tool", "contamination", "cleaned", 0.2),
}
# serial, type, title, priority, hours until due (below 0: overdue), minutes planned
_PLANNED = (
    ("YSK-GP25-40021", "preventive", "Quarterly service", "medium", 26.0, 120),
    ("YSK-GP25-40022", "preventive", "Quarterly service", "medium", 50.0, 120),
    ("UR16E-20230207", "inspection", "Inspect cable harness", "low", 74.0, 30),
    ("KWS-BX200-5518", "lubrication", "Grease wrist gears", "high", 5.0, 45),
    ("MIR600-12044", "inspection", "Check laser scanners", "medium", 98.0, 40),
    ("OTTO-1500-0771", "upgrade", "Update firmware to 2.36", "low", 170.0, 60),
    ("MIR100-08855", "inspection", "Check wheels and scanner", "medium", 30.0, 30),
)
_OVERDUE = (
    ("FNC-410-27733", "lubrication", "Grease axis 1 and base", "high", -30.0, 60),
    ("STB-TX2-1182", "calibration", "Check repeatability", "medium", -8.0, 90),
    ("UR10E-20210930", "preventive", "Yearly service", "high", -52.0, 180),
)


def past_tasks(context: DemoContext) -> list[MaintenanceTask]:
    """Return unsaved tasks that are completed, overdue or in progress."""
    tasks = []
    for serial, kind, title, days, planned, actual, cost, part in _COMPLETED:
        if (robot := context.robots.get(serial)) is None:
            continue
        started = context.ago(days=days)
        failure, cause, remedy, hours = _FINDINGS.get(title, ("", "", "", 9 * 24.0))
        tasks.append(
            _task(
                context, robot, kind, title,
                status="completed",
                scheduled_at=started - timedelta(minutes=20),
                due_at=started + timedelta(hours=4),
                started_at=started,
                completed_at=started + timedelta(minutes=actual),
                estimated_duration=planned,
                actual_duration=actual,
                cost=Decimal(cost),
                parts_used=[_PARTS[part]] if part else [],
                notes="As planned." if actual <= planned * 1.2 else "Delayed by a seized screw.",
                finished_at=started + timedelta(minutes=actual),
                finished_by=context.users.get("technician"),
                failure_code=failure,
                cause_code=cause,
                remedy_code=remedy,
                created_at=started - timedelta(hours=hours),
            )
        )  # fmt: skip
    for serial, kind, title, priority, hours, minutes in _OVERDUE:
        if (robot := context.robots.get(serial)) is None:
            continue
        due = context.ahead(hours=hours)
        tasks.append(
            _task(
                context, robot, kind, title,
                status="overdue",
                priority=priority,
                scheduled_at=due,
                due_at=due,
                estimated_duration=minutes,
                created_at=due - timedelta(days=14),
            )
        )  # fmt: skip
    return tasks + _unfinished_tasks(context)


def _unfinished_tasks(context: DemoContext) -> list[MaintenanceTask]:
    rows: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
        (
            "ABB-1600-55817", "corrective", "Spindle runs rough",
            {"status": "in_progress", "priority": "high", "started_at": context.ago(minutes=50),
             "scheduled_at": context.ago(hours=2), "due_at": context.ahead(hours=3),
             "notes": "Bearing ordered from the store."},
        ),
        (
            "DSN-H2017-0214", "condition_based", "Gripper fingers worn",
            {"status": "on_hold", "priority": "medium", "started_at": context.ago(hours=20),
             "scheduled_at": context.ago(hours=22), "due_at": context.ahead(hours=30),
             "hold_reason": "The fingers are delivered tomorrow."},
        ),
        (
            "FNC-2000-31277", "upgrade", "Second tool changer",
            {"status": "requires_approval", "priority": "medium", "cost": Decimal("6400.00"),
             "started_at": context.ago(hours=9), "finished_at": context.ago(hours=3),
             "actual_duration": 360, "scheduled_at": context.ago(days=1),
             "due_at": context.ahead(days=1)},
        ),
        (
            "ABB-460-61290", "inspection", "Noise at the base",
            {"status": "pending", "priority": "medium", "scheduled_at": context.ago(hours=1),
             "due_at": context.ahead(hours=6)},
        ),
        (
            "MIR250-30118", "cleaning", "Clean scanners",
            {"status": "cancelled", "priority": "low", "scheduled_at": context.ago(days=2),
             "due_at": context.ago(days=2), "notes": "Done together with the inspection."},
        ),
    )  # fmt: skip
    return [
        _task(context, robot, kind, title, created_at=context.ago(days=3), **fields)
        for serial, kind, title, fields in rows
        if (robot := context.robots.get(serial)) is not None
    ]


# Title, type, vendor, model, days until the first date, legs.
_SCHEDULES: tuple[tuple[str, str, str, str, int, dict[str, Any]], ...] = (
    ("Clean the scanners", "cleaning", "mir", "MiR250", 2,
     {"frequency": "weekly", "interval": 2, "lead_days": 3, "estimated_duration": 20}),
    ("Grease axes 1 to 3", "lubrication", "kuka", "KR 210 R2700", 20,
     {"frequency": "monthly", "interval": 3, "running_hours": 500, "estimated_duration": 60}),
    ("Check the brakes", "inspection", "yaskawa", "GP25", 5,
     {"frequency": "yearly", "lead_days": 14, "priority": "high", "estimated_duration": 90}),
    ("Check the cables", "inspection", "universal_robots", "UR10e", 12,
     {"frequency": "monthly", "month_day": 31, "estimated_duration": 30}),
)  # fmt: skip


def planned_tasks(context: DemoContext) -> list[dict[str, Any]]:
    """Return the fields of future tasks, for the service that creates them."""
    return [
        {
            "robot": robot,
            "type": kind,
            "title": title,
            "priority": priority,
            "scheduled_at": context.ahead(hours=hours),
            "due_at": context.ahead(hours=hours + 4),
            "estimated_duration": minutes,
            "assigned_to": context.users.get("technician"),
        }
        for serial, kind, title, priority, hours, minutes in _PLANNED
        if (robot := context.robots.get(serial)) is not None
    ]


def schedules(context: DemoContext) -> list[dict[str, Any]]:
    """Return the fields of schedules, for the service that creates them.

    Each applies to robots that the organization has.
    """
    start = timezone.localdate(context.now)
    models = {(robot.vendor, robot.model) for robot in context.robots.values()}
    return [
        {
            "title": title,
            "type": kind,
            "vendor": vendor,
            "model": model,
            "assigned_to": context.users.get("technician"),
            "starts_on": start + timedelta(days=days) if "frequency" in legs else None,
            **legs,
        }
        for title, kind, vendor, model, days, legs in _SCHEDULES
        if (vendor, model) in models
    ]


def _task(
    context: DemoContext, robot: Robot, kind: str, title: str, **fields: Any
) -> MaintenanceTask:
    return MaintenanceTask(
        organization_id=context.organization_id,
        robot=robot,
        type=kind,
        title=title,
        assigned_to=context.users.get("technician"),
        created_by=context.author,
        **fields,
    )


def past_labour(tasks: list[MaintenanceTask]) -> list[LabourEntry]:
    """Return unsaved labour entries of tasks that were started."""
    return [
        LabourEntry(
            organization_id=task.organization_id,
            task=task,
            user=task.assigned_to,
            started_at=task.started_at,
            ended_at=_end_of_work(task),
        )
        for task in tasks
        if task.started_at is not None
    ]


def past_timelines(tasks: list[MaintenanceTask]) -> list[TaskEvent]:
    """Return unsaved events of tasks: started, and what happened last."""
    kinds = {
        "completed": (TaskEventKind.COMPLETED, "completed_at"),
        "requires_approval": (TaskEventKind.SUBMITTED, "finished_at"),
        "on_hold": (TaskEventKind.HELD, "started_at"),
        "overdue": (TaskEventKind.OVERDUE, "due_at"),
        "cancelled": (TaskEventKind.CANCELLED, "due_at"),
    }
    events = []
    for task in tasks:
        if task.started_at is not None:
            events.append(_event(task, TaskEventKind.STARTED, task.started_at, ""))
        if task.status in kinds:
            kind, field = kinds[task.status]
            time = getattr(task, field)
            if kind == TaskEventKind.HELD:
                time = _end_of_work(task)
            text = task.hold_reason or (task.notes or "" if kind != TaskEventKind.OVERDUE else "")
            events.append(_event(task, kind, time, text))
    return events


def _end_of_work(task: MaintenanceTask) -> Any:
    if task.status == "on_hold" and task.started_at is not None:
        return task.started_at + timedelta(minutes=35)
    return task.finished_at or task.completed_at


def _event(task: MaintenanceTask, kind: TaskEventKind, time: Any, text: str) -> TaskEvent:
    user = None if kind == TaskEventKind.OVERDUE else task.assigned_to
    return TaskEvent(
        organization_id=task.organization_id,
        task=task,
        kind=kind,
        user=user,
        text=text,
        created_at=time,
    )


def parts_load(context: DemoContext) -> int:
    """Fill the catalogue and the stocks; return the number of parts."""
    facility = Facility.objects.order_by("name").first()
    if facility is None:
        return 0
    for number, (name, (quantity, least)) in enumerate(_STOCKS.items(), 1):
        plan = _PARTS[name]
        part = part_create(
            organization_id=context.organization_id,
            number=plan["part"],
            name=plan["name"],
            unit_cost=Decimal(str(plan["unit_cost"])),
            minimum_quantity=Decimal(least),
        )
        stock = part_stock_create(
            organization_id=context.organization_id,
            part=part,
            facility=facility,
            storage_location=f"Cabinet 1, shelf {number}",
        )
        if Decimal(quantity):
            part_movement_create(
                stock=stock, kind=PartMovementKind.RECEIVE, quantity=Decimal(quantity)
            )
    return len(_STOCKS)


# serial, problem, description, name of the person who reported it
_REQUESTS = (
    ("FNC-710-19866", "Oil below joint 3", "A small puddle since the early shift.", "Mara"),
    ("MIR600-12044", "Squeaks in left turns", "", "Jonas, loading dock"),
)


def requests_load(context: DemoContext) -> int:
    """Issue labels and report problems; return the number of requests."""
    robots = [robot for serial, *_ in _REQUESTS if (robot := context.robots.get(serial))]
    robot_labels_issue(robots)
    found = 0
    for serial, title, description, name in _REQUESTS:
        if (robot := context.robots.get(serial)) is not None:
            work_request_create(
                robot=robot, title=title, description=description, requester_name=name
            )
            found += 1
    return found
