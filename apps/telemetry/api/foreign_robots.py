from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from apps.telemetry.services.telemetry import IngestResult


def note_foreign_robots(request: HttpRequest, result: IngestResult) -> None:
    """Have it recorded that a robot's own key named another robot."""
    principal: Any = request.user
    if principal.robot_id is not None and any(
        rejection.code == "unknown_robot" for rejection in result.rejected
    ):
        request.denial = "wrong_robot"  # type: ignore[attr-defined]
