"""Channels, routes, silences and deliveries through the API."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apps.alerts.models import NotificationChannel, Silence

pytestmark = pytest.mark.django_db
JSON = "application/json"
CHANNELS = "/api/v1/notification-channels"
ROUTES = "/api/v1/notification-routes"
SILENCES = "/api/v1/silences"


@pytest.fixture
def client(organization_a, make_key):
    scopes = ["webhooks:read", "webhooks:write", "alerts:read", "alerts:write"]
    return Client(headers={"x-api-key": make_key(organization_a, scopes)})


def post(client, path, **body):
    return client.post(path, body, content_type=JSON)


def test_channel_is_created_changed_and_deleted(client, organization_a, tenant):
    answer = post(client, CHANNELS, name="Tickets", kind="webhook", url="https://x.example/hook")
    assert answer.status_code == 201, answer.content
    row = answer.json()
    assert "secret" not in str(row)
    path = f"{CHANNELS}/{row['id']}"
    answer = client.patch(path, {"is_enabled": False}, content_type=JSON)
    assert answer.json()["is_enabled"] is False
    assert client.patch(path, {"kind": "email"}, content_type=JSON).status_code == 400
    assert client.delete(path).status_code == 204
    with tenant(organization_a):
        assert not NotificationChannel.objects.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "webhook"}, "url"),
        ({"kind": "webhook", "url": "ftp://x.example"}, "url"),
        ({"kind": "webhook", "url": "https://a:b@x.example"}, "url"),
        (
            {"kind": "webhook", "url": "https://x.example", "allowed_networks": ["10.0.0.0/8"]},
            "allowed_networks",
        ),
        (
            {"kind": "webhook", "url": "https://x.example", "allowed_networks": ["hall"]},
            "allowed_networks",
        ),
        ({"kind": "email"}, "roles"),
        ({"kind": "email", "roles": ["super_admin"]}, "roles"),
        ({"kind": "email", "addresses": ["a@"]}, "addresses"),
        ({"kind": "pigeon"}, "kind"),
    ],
)
def test_channel_with_invalid_field_is_rejected(client, body, field):
    answer = post(client, CHANNELS, name="C", **body)
    assert answer.status_code == 400
    assert field in answer.json()["errors"]


def test_channel_name_is_unique_and_channel_in_use_is_kept(client):
    body = {"name": "Mail", "kind": "email", "roles": ["admin"]}
    channel = post(client, CHANNELS, **body).json()
    assert "name" in post(client, CHANNELS, **body).json()["errors"]
    steps = [{"channel": channel["id"]}]
    assert post(client, ROUTES, name="R", steps=steps).status_code == 201
    answer = client.delete(f"{CHANNELS}/{channel['id']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "channel_in_use")


def test_route_steps_are_validated_and_replaced(client):
    channel = post(client, CHANNELS, name="Mail", kind="email", roles=["admin"]).json()["id"]
    for steps in (
        [],
        [{"channel": channel, "after_minutes": 5}],
        [{"channel": channel}, {"channel": channel}],
    ):
        assert "steps" in post(client, ROUTES, name="R", steps=steps).json()["errors"]
    steps = [{"channel": channel, "after_minutes": minutes} for minutes in (0, 15)]
    row = post(client, ROUTES, name="R", steps=steps, severities=["critical", "info"]).json()
    assert row["severities"] == ["info", "critical"]
    assert row["steps"] == steps
    path = f"{ROUTES}/{row['id']}"
    changed = client.patch(path, {"steps": steps[:1]}, content_type=JSON).json()
    assert changed["steps"] == steps[:1]
    assert client.delete(path).status_code == 204


def test_silence_is_created_and_ended(client, organization_a, tenant):
    end = timezone.now() + timedelta(hours=1)
    answer = post(client, SILENCES, reason="Work", ends_at=end.isoformat())
    assert answer.status_code == 201, answer.content
    path = f"{SILENCES}/{answer.json()['id']}"
    assert client.post(f"{path}/end").status_code == 200
    answer = client.post(f"{path}/end")
    assert (answer.status_code, answer.json()["code"]) == (409, "silence_over")
    with tenant(organization_a):
        assert Silence.objects.get().is_over


@pytest.mark.parametrize("hours", [-1, 24 * 400])
def test_silence_with_invalid_end_is_rejected(client, hours):
    end = timezone.now() + timedelta(hours=hours)
    answer = post(client, SILENCES, reason="Work", ends_at=end.isoformat())
    assert "ends_at" in answer.json()["errors"]


def test_robot_key_cannot_create_silences(organization_a, make_robot, make_key):
    key = make_key(organization_a, ["alerts:write"], robot=make_robot(organization_a))
    client = Client(headers={"x-api-key": key})
    end = timezone.now() + timedelta(hours=1)
    assert post(client, SILENCES, reason="Work", ends_at=end.isoformat()).status_code == 403


def test_dead_letter_is_replayed_and_channel_tested(
    client, organization_a, receiver, make_webhook, make_route, report, send
):
    from tests.support.webhook_receiver import Reply

    channel = make_webhook(organization_a, receiver)
    make_route(organization_a, channel)
    receiver.reply = lambda _request: Reply(410)
    report(organization_a)
    send()
    (dead,) = client.get("/api/v1/deliveries?state=dead").json()["results"]
    assert dead["response_code"] == 410
    path = f"/api/v1/deliveries/{dead['id']}/replay"
    assert client.post(path).status_code == 200
    assert client.post(path).json()["code"] == "delivery_state"
    answer = client.post(f"{CHANNELS}/{channel.pk}/test")
    assert answer.status_code == 400  # the channel was disabled
    client.patch(f"{CHANNELS}/{channel.pk}", {"is_enabled": True}, content_type=JSON)
    receiver.reply = lambda _request: Reply(200)
    (test,) = client.post(f"{CHANNELS}/{channel.pk}/test").json()["deliveries"]
    send()
    ids = {request.headers["webhook-id"] for request in receiver.requests}
    assert ids == {dead["id"], test}
