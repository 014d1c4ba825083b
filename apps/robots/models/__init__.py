"""Robots, their commands, and the history of their status."""

from __future__ import annotations

from apps.robots.models.claim_codes import RobotClaimCode
from apps.robots.models.commands import RobotCommand
from apps.robots.models.imports import RobotImport, RobotImportRow
from apps.robots.models.robots import Robot
from apps.robots.models.status_history import (
    HypertableManager,
    RobotStatusHistory,
    RobotStatusRepeat,
)

__all__ = [
    "HypertableManager",
    "Robot",
    "RobotClaimCode",
    "RobotCommand",
    "RobotImport",
    "RobotImportRow",
    "RobotStatusHistory",
    "RobotStatusRepeat",
]
