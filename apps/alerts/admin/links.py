"""Links from an alert's page to what is next."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone

from apps.alerts.models import Alert

_MAX_METRICS = 6
_BEFORE = timedelta(minutes=30)
_AFTER = timedelta(minutes=30)


def alert_links(alert: Alert) -> dict[str, str]:
    """Return the URLs of the alert's chart and a new task."""
    return {"chart_url": _chart(alert), "task_url": _task(alert)}


def _chart(alert: Alert) -> str:
    metrics = (alert.metadata or {}).get("metrics") if isinstance(alert.metadata, dict) else None
    is_known = isinstance(metrics, list) and all(isinstance(name, str) for name in metrics)
    if alert.robot_id is None or alert.rule_id is None or not metrics or not is_known:
        return ""
    end = alert.resolved_at or alert.last_seen_at
    query = {
        "robot": alert.robot_id,
        "metrics": metrics[:_MAX_METRICS],
        "range": "custom",
        "start": (alert.started_at - _BEFORE).isoformat(),
        "end": min(end + _AFTER, timezone.now()).isoformat(),
    }
    return f"{reverse('admin:telemetry_page')}?{urlencode(query, doseq=True)}"


def _task(alert: Alert) -> str:
    if alert.robot_id is None:
        return ""
    query = {"robot": alert.robot_id, "title": alert.title, "description": alert.message}
    return f"{reverse('admin:maintenance_maintenancetask_add')}?{urlencode(query)}"
