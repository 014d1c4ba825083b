"""Alerts and commands of the demo fleet, relative to now."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from apps.accounts.models import User
from apps.alerts.models import Alert
from apps.robots.models import Robot, RobotCommand


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
