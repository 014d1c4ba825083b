"""Open, update and resolve alerts by the webhook of Alertmanager.

Alertmanager repeats its requests, and a second one of a pair sends the same. So a request that was
received before changes nothing: what counts is when an alert began there, and when it ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from apps.alerts.choices.alerts import AlertSource, AlertType
from apps.alerts.models import Alert
from apps.alerts.protocols.alertmanager import ReceivedAlert
from apps.alerts.services.alerts import (
    alert_open,
    alert_repeat,
    alert_resolve_unacknowledged,
    lock_condition,
)
from apps.robots.models import Robot
from urfmp.common.db.json_values import check_json
from urfmp.common.tenancy.context import audit_action

_RESOLUTION = "Alertmanager reported the end."


class Effect(StrEnum):
    """What an alert of a request did."""

    OPENED = "opened"
    REPEATED = "repeated"
    UPDATED = "updated"
    RESOLVED = "resolved"
    UNCHANGED = "unchanged"


def alertmanager_receive(
    *, organization_id: UUID, principal: Any, alerts: Sequence[ReceivedAlert]
) -> dict[Effect, int]:
    """Apply the alerts of a request; return how many had which effect.

    Alerts that this platform has posted itself are left out.

    Args:
        organization_id: Organization of the alerts.
        principal: API key or user; a device key reports for its robot alone.
        alerts: Alerts of the request.

    Raises:
        ValidationError: A value cannot be stored.
    """
    counts = dict.fromkeys(Effect, 0)
    robots = _Robots(principal, alerts)
    with audit_action("alerts.alert.receive"):
        # In one order, so that two requests with the same alerts do not wait for each other.
        for one in sorted(alerts, key=lambda item: (item.fingerprint, item.starts_at)):
            effect = Effect.UNCHANGED
            if not one.is_own:
                effect = _receive(organization_id, one, robots)
            counts[effect] += 1
    return counts


class _Robots:
    """The robots that the labels of alerts name."""

    def __init__(self, principal: Any, alerts: Iterable[ReceivedAlert]) -> None:
        """Read the robots; at most one query."""
        self.bound_id: UUID | None = getattr(principal, "robot_id", None)
        ids, serials = set(), set()
        for one in alerts:
            if (robot_id := _uuid(one.labels.get("robot_id", ""))) is not None:
                ids.add(robot_id)
            if serial := one.labels.get("serial_number", ""):
                serials.add(serial)
        rows = Robot.objects.restrict(principal).filter(
            Q(pk__in=ids) | Q(serial_number__in=serials)
        )
        if self.bound_id is not None:
            # A device key acts for its robot, whatever else it may read.
            rows = Robot.objects.filter(pk=self.bound_id)
        found = list(rows.in_service()) if ids or serials or self.bound_id else []
        self._by_id = {robot.pk: robot for robot in found}
        self._by_serial = {robot.serial_number: robot for robot in found}

    def of(self, one: ReceivedAlert) -> Robot | None:
        """Return the robot of an alert, or None."""
        if self.bound_id is not None:
            return self._by_id.get(self.bound_id)
        robot_id = _uuid(one.labels.get("robot_id", ""))
        by_id = self._by_id.get(robot_id) if robot_id else None
        return by_id or self._by_serial.get(one.labels.get("serial_number", ""))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _receive(organization_id: UUID, one: ReceivedAlert, robots: _Robots) -> Effect:
    lock_condition(organization_id, robots.bound_id, one.key)
    rows = Alert.objects.filter(key=one.key)
    if robots.bound_id is not None:
        rows = rows.filter(robot_id=robots.bound_id)
    newest: Alert | None = (
        rows.select_for_update(no_key=True)
        .order_by("is_resolved", "-started_at", "-created_at")
        .first()
    )
    if one.ends_at is not None:
        return _resolve(newest, one.ends_at)
    if newest is None or newest.is_resolved:
        if newest is not None and not _is_after(newest, one.starts_at):
            return Effect.UNCHANGED
        _open(_report(organization_id, one, robots.of(one)))
        return Effect.OPENED
    return _update(newest, _report(organization_id, one, newest.robot), one.starts_at)


def _report(organization_id: UUID, one: ReceivedAlert, robot: Robot | None) -> Alert:
    return Alert(
        organization_id=organization_id,
        robot=robot,
        key=one.key,
        type=AlertType.SYSTEM,
        source=AlertSource.INTEGRATION,
        severity=one.severity,
        title=one.title,
        message=one.message,
        metadata=one.metadata(),
        started_at=min(one.starts_at, timezone.now()),
    )


def _open(report: Alert) -> None:
    check_json(metadata=report.metadata)
    report.full_clean(exclude={"key"}, validate_constraints=False)
    alert_open(report)


def _is_after(resolved: Alert, starts_at: datetime) -> bool:
    """Return whether a time is after a resolved alert.

    What a user has resolved stays resolved until it ends and begins again.
    """
    ends_at = _time(resolved, "ends_at")
    if ends_at is not None:
        return starts_at >= ends_at
    known = _time(resolved, "starts_at")
    return known is None or starts_at > known


def _update(stored: Alert, report: Alert, starts_at: datetime) -> Effect:
    """Store what has changed of an open alert."""
    known = _time(stored, "starts_at") or starts_at
    metadata = {**(report.metadata or {}), "starts_at": max(known, starts_at).isoformat()}
    check_json(metadata=metadata)
    if starts_at > known:
        alert_repeat(stored, report)  # its end was not received
    elif (stored.message, stored.metadata) == (report.message, metadata):
        return Effect.UNCHANGED
    Alert.objects.filter(pk=stored.pk).update(message=report.message, metadata=metadata)
    return Effect.REPEATED if starts_at > known else Effect.UPDATED


def _resolve(stored: Alert | None, ends_at: datetime) -> Effect:
    if stored is None or stored.is_resolved:
        return Effect.UNCHANGED
    known = _time(stored, "starts_at")
    if known is not None and ends_at < known:
        return Effect.UNCHANGED  # of an earlier occurrence
    metadata = {**(stored.metadata or {}), "ends_at": ends_at.isoformat()}
    Alert.objects.filter(pk=stored.pk).update(metadata=metadata)
    alert_resolve_unacknowledged(stored, resolution=_RESOLUTION)
    return Effect.RESOLVED


def _time(alert: Alert, name: str) -> datetime | None:
    value = (alert.metadata or {}).get(name)
    return datetime.fromisoformat(value) if isinstance(value, str) else None
