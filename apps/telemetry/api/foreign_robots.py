from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from apps.telemetry.services.telemetry import IngestResult
from urfmp.common.http.request_state import request_state


def audit_foreign_robot(request: HttpRequest, result: IngestResult) -> None:
    """Audit that a robot's own API key named another robot."""
    principal: Any = request.user
    if principal.robot_id is not None and any(
        rejection.code == "unknown_robot" for rejection in result.rejected
    ):
        request_state(request).denied_reason = "wrong_robot"
