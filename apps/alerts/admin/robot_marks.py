"""Open alerts in the list of robots."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.utils.safestring import SafeString

from apps.alerts.selectors.alerts import open_alerts_by_robot
from apps.robots.admin.list_marks import add_list_marks
from urfmp.common.rendering.html import badge


def open_alert_marks(user: Any, robots: Collection[UUID]) -> dict[UUID, SafeString]:
    """Return a badge with count and highest severity for each robot."""
    if not user.has_perm("alerts.view_alert"):
        return {}
    return {
        robot_id: badge("severity", found.severity, found.label)
        for robot_id, found in open_alerts_by_robot(user, robots).items()
    }


add_list_marks(open_alert_marks)
