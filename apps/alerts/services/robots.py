"""Follow retired and purged robots."""

from __future__ import annotations

from apps.alerts.models import Alert
from apps.alerts.services.alerts import alert_resolve_unacknowledged
from apps.robots.models import Robot


def alerts_resolve_of_retired_robot(robot: Robot, reason: str) -> None:
    """Resolve a retired robot's open alerts.

    The rows are locked in the order of their ids. They do not become acknowledged.

    Args:
        robot: Robot that retires; the caller has locked it.
        reason: Why the alerts are resolved.
    """
    alerts = Alert.objects.unresolved().filter(robot=robot).order_by("pk")
    for alert in list(alerts.select_for_update()):
        alert_resolve_unacknowledged(alert, resolution=reason)


def alerts_delete_of_purged_robot(robot: Robot) -> int:
    """Delete all alerts of a robot that is purged; return their number.

    Args:
        robot: Robot that is purged; the caller has locked it.
    """
    return int(Alert.objects.filter(robot=robot).delete()[0])
