"""Record what happens to alerts, in the same transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import F
from django.db.models.functions import Now

from apps.alerts.choices.events import AlertEventKind
from apps.alerts.models import Alert, AlertEvent

AlertEventStep = Callable[[Alert, AlertEvent], None]
"""A function of an alert after its change, and the event that describes the change."""

_steps: list[AlertEventStep] = []


def add_alert_event_step(step: AlertEventStep) -> None:
    """Run a step for each event, in its transaction.

    The steps see the alert as it is after the change; its row is locked. An error of a step
    reverts the change.
    """
    if step not in _steps:
        _steps.append(step)


def alert_event_record(alert: Alert, kind: AlertEventKind, **fields: Any) -> AlertEvent:
    """Record an event of an alert and run the steps.

    Every service that changes an alert calls it. A further report directly after another one
    increments the count of that event instead.

    Args:
        alert: Alert after its change; the caller has locked its row.
        kind: What happened.
        fields: Further columns of the event, such as the user who acted.
    """
    event = _repeated_event(alert) if kind == AlertEventKind.REOCCURRED else None
    if event is None:
        event = AlertEvent.objects.create(
            organization_id=alert.organization_id,
            alert=alert,
            kind=kind,
            severity=alert.severity,
            **fields,
        )
        event.refresh_from_db(fields=["created_at"])
    for step in _steps:
        step(alert, event)
    return event


def _repeated_event(alert: Alert) -> AlertEvent | None:
    """Count a further report in the newest event, if possible."""
    newest: AlertEvent | None = AlertEvent.objects.filter(alert=alert).last()
    if newest is None or newest.kind != AlertEventKind.REOCCURRED:
        return None
    AlertEvent.objects.filter(pk=newest.pk).update(
        occurrences=F("occurrences") + 1, created_at=Now()
    )
    newest.refresh_from_db(fields=["occurrences", "created_at"])
    return newest
