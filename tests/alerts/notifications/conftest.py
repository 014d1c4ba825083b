"""Fixtures of notifications: a receiver, channels, routes and a sender."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from tests.support.webhook_receiver import WebhookReceiver, webhook_receiver

LOOPBACK = "127.0.0.0/8"


@pytest.fixture
def receiver(settings):
    settings.OUTGOING_PRIVATE_NETWORKS = [LOOPBACK]
    with webhook_receiver() as server:
        yield server


@pytest.fixture
def make_webhook(tenant) -> Callable[..., Any]:
    from apps.alerts.services.notifications.channels import channel_create

    def make(organization: Any, receiver: WebhookReceiver, **fields: Any) -> Any:
        with tenant(organization):
            return channel_create(
                organization_id=organization.id,
                kind="webhook",
                name=fields.pop("name", "Tickets"),
                url=receiver.url,
                allowed_networks=[LOOPBACK],
                **fields,
            )

    return make


@pytest.fixture
def make_email_channel(tenant) -> Callable[..., Any]:
    from apps.alerts.services.notifications.channels import channel_create

    def make(organization: Any, **fields: Any) -> Any:
        fields.setdefault("name", "Admins")
        if "addresses" not in fields:
            fields.setdefault("roles", ["admin"])
        with tenant(organization):
            return channel_create(organization_id=organization.id, kind="email", **fields)

    return make


@pytest.fixture
def make_route(tenant) -> Callable[..., Any]:
    from apps.alerts.services.notifications.routes import Step, route_create

    def make(organization: Any, *channels: Any, escalate: Any = (), **fields: Any) -> Any:
        steps = [Step(channel) for channel in channels]
        steps += [Step(channel, minutes) for channel, minutes in escalate]
        with tenant(organization):
            return route_create(
                organization_id=organization.id,
                steps=steps,
                name=fields.pop("name", "Everything"),
                **fields,
            )

    return make


@pytest.fixture
def report(tenant) -> Callable[..., Any]:
    """Return a function that reports an alert."""
    from apps.alerts.services.alerts import alert_report

    def make(organization: Any, **fields: Any) -> Any:
        values = {
            "type": "system",
            "severity": "error",
            "title": "Door is open",
            "message": "Close it.",
            **fields,
        }
        with tenant(organization):
            return alert_report(organization_id=organization.id, **values).alert

    return make


@pytest.fixture
def send() -> Callable[..., int]:
    """Return a function that runs the sender until nothing is due."""
    from apps.alerts.services.notifications import sender

    def run(**options: Any) -> int:
        return sender.deliveries_send(**options)

    return run


@pytest.fixture(autouse=True)
def quick_sender(monkeypatch) -> None:
    """Let a run end as soon as nothing is due."""
    from apps.alerts.services.notifications import sender

    monkeypatch.setattr(sender, "_IDLE_SECONDS", 0.0)
    monkeypatch.setattr(sender, "_POLL_SECONDS", 0.02)


@pytest.fixture
def deliveries(tenant) -> Callable[..., list[Any]]:
    """Return a function that returns an organization's deliveries, oldest first."""
    from apps.alerts.models import Delivery

    def read(organization: Any, **conditions: Any) -> list[Any]:
        with tenant(organization):
            rows = Delivery.objects.filter(**conditions).select_related("channel", "alert", "user")
            return list(rows.order_by("created_at", "due_at", "id"))

    return read


@pytest.fixture
def pass_time(tenant) -> Callable[..., None]:
    """Return a function that moves the pending deliveries of an organization into the past."""

    def move(organization: Any, **duration: float) -> None:
        with tenant(organization), connection.cursor() as cursor:
            cursor.execute(
                "UPDATE notification_deliveries SET due_at = due_at - %s,"
                " created_at = created_at - %s, first_attempt_at = first_attempt_at - %s",
                [timedelta(**duration)] * 3,
            )

    return move
