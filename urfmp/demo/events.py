"""Maintenance, alerts and commands of the demo fleet, relative to now."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from django.utils import timezone

from apps.accounts.models import User
from apps.alerts.models import Alert
from apps.maintenance.models import MaintenanceTask
from apps.robots.models import Robot, RobotCommand

_PARTS = {
    "grease": {"part": "GRS-LM2", "name": "Gear grease", "quantity": 2, "unit_cost": 18.5},
    "belt": {"part": "BLT-6-410", "name": "Axis belt", "quantity": 1, "unit_cost": 74.0},
    "tip": {"part": "TIP-CU16", "name": "Electrode tip", "quantity": 24, "unit_cost": 1.9},
    "cup": {"part": "VAC-B30", "name": "Vacuum cup", "quantity": 6, "unit_cost": 6.4},
    "pack": {"part": "BAT-48-40", "name": "Battery pack", "quantity": 1, "unit_cost": 1290.0},
}


@dataclass(frozen=True)
class DemoContext:
    """The loaded organization and the rows that events refer to.

    Attributes:
        organization_id: The demo organization.
        robots: Robots by serial number.
        users: Users by role.
        now: Time of loading; every event has a fixed offset from it.
    """

    organization_id: UUID
    robots: Mapping[str, Robot]
    users: Mapping[str, User]
    now: datetime

    @property
    def author(self) -> User:
        """User who plans maintenance."""
        return self.users.get("manager") or self.users["admin"]

    def ago(self, **time: float) -> datetime:
        """Return a time in the past."""
        return self.now - timedelta(**time)

    def ahead(self, **time: float) -> datetime:
        """Return a time in the future."""
        return self.now + timedelta(**time)


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
    ("DSN-A0912-0083", "cleaning", "Clean gripper of flour", 2.1, 20, 22, "30.00", None),
)
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
                created_at=started - timedelta(days=9),
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


def _alert_rows() -> list[dict[str, str]]:
    with (Path(__file__).parent / "alerts.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def past_alerts(context: DemoContext) -> list[Alert]:
    """Return unsaved alerts in every state."""
    alerts = []
    for row in _alert_rows():
        serial, state = row["serial_number"], row["state"]
        robot = context.robots.get(serial)
        # Alerts without a robot belong to the large plant.
        if robot is None and (serial or "manager" not in context.users):
            continue
        created = context.ago(hours=float(row["hours_ago"]))
        acknowledged = state != "open"
        alerts.append(
            Alert(
                organization_id=context.organization_id,
                robot=robot,
                type=row["type"],
                severity=row["severity"],
                title=row["title"],
                message=row["message"],
                source=row["source"],
                created_at=created,
                last_seen_at=created,
                is_acknowledged=acknowledged,
                acknowledged_by=_first_user(context, "operator", "admin") if acknowledged else None,
                acknowledged_at=created + timedelta(minutes=6) if acknowledged else None,
                is_resolved=state == "resolved",
                resolved_at=created + timedelta(minutes=35) if state == "resolved" else None,
            )
        )
    return alerts


def past_commands(context: DemoContext) -> list[RobotCommand]:
    """Return unsaved commands in final states."""
    rows: tuple[tuple[str, str, dict[str, Any], str, float, float, str | None], ...] = (
        ("UR10E-20221104", "start", {}, "completed", 3.0, 2.0, None),
        ("UR5E-20230518", "reset", {}, "completed", 0.35, 4.0, None),
        ("KUKA-210-88120", "run_program", {"program": "B10_LEFT"}, "completed", 9.0, 41.0, None),
        ("YSK-GP25-40022", "load_program", {"program": "SEAL_R_12"}, "failed", 26.0, 3.0,
         "The controller does not know this program."),
        ("MIR600-12044", "pause", {}, "timeout", 30.0, 60.0, "The robot did not fetch it in time."),
        ("TM12-A04419", "calibrate", {}, "cancelled", 28.0, 15.0, None),
        ("UR10E-20210930", "stop", {}, "completed", 20.0, 1.0, None),
    )  # fmt: skip
    commands = []
    for serial, kind, payload, status, hours, seconds, error in rows:
        if (robot := context.robots.get(serial)) is None:
            continue
        created = context.ago(hours=hours)
        handed_over = status in {"completed", "failed"}
        commands.append(
            RobotCommand(
                organization_id=context.organization_id,
                robot=robot,
                user=_first_user(context, "operator", "admin"),
                type=kind,
                payload=payload,
                status=status,
                created_at=created,
                executed_at=created + timedelta(seconds=0.4) if handed_over else None,
                completed_at=created + timedelta(seconds=seconds),
                error_message=error,
            )
        )
    return commands


def _first_user(context: DemoContext, *roles: str) -> User:
    return next(context.users[role] for role in roles if role in context.users)
