"""Alerts to Alertmanager: requests, repetitions, ends, and the real program."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.alerts.models import Alert, Delivery, NotificationChannel
from apps.alerts.services.alerts import alert_acknowledge, alert_resolve
from apps.alerts.services.notifications import sender
from apps.alerts.services.notifications.channels import (
    authorization,
    channel_create,
    channel_test,
    channel_update,
)
from apps.alerts.services.notifications.watchdog import delivery_problems, watchdog_check
from apps.audit.models import AuditLog
from tests.support.alertmanager import alertmanager, wait_for
from tests.support.webhook_receiver import Reply

pytestmark = pytest.mark.django_db
LOOPBACK = "127.0.0.0/8"


@pytest.fixture
def make_alertmanager(tenant):
    def make(organization, url, **fields):
        with tenant(organization):
            return channel_create(
                organization_id=organization.id,
                kind="alertmanager",
                name=fields.pop("name", "Alertmanager"),
                url=url,
                allowed_networks=[LOOPBACK],
                **fields,
            )

    return make


@pytest.fixture
def channel(organization_a, receiver, make_alertmanager, make_route):
    channel = make_alertmanager(organization_a, f"{receiver.url}/api/v2/alerts/")
    make_route(organization_a, channel, repeat_minutes=1)
    return channel


def bodies(receiver):
    return [json.loads(request.body) for request in receiver.requests]


@pytest.mark.parametrize(
    ("scheme", "username", "secret", "expected"),
    [
        ("basic", "robots", "p\u00e4ss: word", "Basic cm9ib3RzOnDDpHNzOiB3b3Jk"),
        ("bearer", "", "abc.DEF-1~2=", "Bearer abc.DEF-1~2="),
    ],
)
def test_credentials_are_sent_encrypted_at_rest_and_removable(
    organization_a, receiver, make_alertmanager, send, tenant, scheme, username, secret, expected
):
    channel = make_alertmanager(
        organization_a, receiver.url, auth_scheme=scheme, auth_username=username, auth_secret=secret
    )
    with tenant(organization_a):
        stored = str(NotificationChannel.objects.values().get())
        logs = str(list(AuditLog.objects.values("before", "after")))
        channel_test(channel_update(channel, name="Renamed"))
    assert secret not in stored + logs
    send()
    assert receiver.requests[0].headers["authorization"] == expected
    with tenant(organization_a):
        channel = channel_update(channel, auth_scheme="")
        assert (channel.auth_username, channel.auth_secret) == ("", "")
        channel_test(channel)
    send()
    assert "authorization" not in receiver.requests[1].headers


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"auth_scheme": "basic", "auth_secret": "word"}, "auth_username"),
        ({"auth_scheme": "basic", "auth_username": "a:b", "auth_secret": "x"}, "auth_username"),
        ({"auth_scheme": "basic", "auth_username": "a"}, "auth_secret"),
        ({"auth_scheme": "bearer", "auth_secret": "line\nbreak"}, "auth_secret"),
        ({"auth_scheme": "bearer", "auth_secret": "two words"}, "auth_secret"),
        ({"auth_scheme": "digest", "auth_secret": "x"}, "auth_scheme"),
    ],
)
def test_credentials_that_cannot_be_sent_are_rejected(
    organization_a, receiver, make_alertmanager, values, field
):
    with pytest.raises(ValidationError) as caught:
        make_alertmanager(organization_a, receiver.url, **values)
    assert field in caught.value.message_dict


def test_credentials_are_set_in_the_admin_and_never_shown(
    organization_a, alice, client_for, receiver, channel, tenant
):
    client = client_for(alice)
    url = reverse("admin:alerts_notificationchannel_act", args=[channel.pk, "credentials"])
    values = {"auth_scheme": "basic", "auth_username": "robots", "auth_secret": "hidden-word"}
    assert client.post(url, {**values, "_confirm": "1"}).status_code == 302
    page = client.get(reverse("admin:alerts_notificationchannel_change", args=[channel.pk]))
    assert b"User name and password: robots" in page.content
    assert b"hidden-word" not in page.content + client.get(url).content
    with tenant(organization_a):
        assert authorization(NotificationChannel.objects.get()).startswith("Basic ")


def test_alert_is_posted_repeated_and_ended(
    organization_a, receiver, channel, report, send, deliveries, pass_time, tenant, make_robot
):
    alert = report(organization_a, robot=make_robot(organization_a), severity="critical")
    send()
    ((posted,),) = bodies(receiver)
    assert receiver.requests[0].path == "/hook/api/v2/alerts"
    assert (
        posted["labels"]
        == {
            "alertname": "Door is open",
            "severity": "critical",
            "type": "system",
            "organization": organization_a.name,
            "robot": str(alert.robot),
            "facility": alert.robot.facility,
            "urfmp_alert_id": str(alert.pk),
        }
        or not alert.robot.facility
    )
    assert posted["annotations"] == {"summary": "Door is open", "description": "Close it."}
    assert datetime.fromisoformat(posted["startsAt"]) == alert.started_at
    assert datetime.fromisoformat(posted["endsAt"]) > timezone.now() + timedelta(minutes=9)
    assert str(alert.pk) in posted["generatorURL"]
    with tenant(organization_a):
        alert_acknowledge(alert, None)
    for _ in range(3):
        pass_time(organization_a, minutes=2)
        send()
    assert len(receiver.requests) == 4
    first, refreshed = deliveries(organization_a)
    assert (first.notice, first.state) == ("opened", "delivered")
    assert (refreshed.notice, refreshed.state) == ("refreshed", "queued")
    with tenant(organization_a):
        alert = alert_resolve(alert, None)
    send()
    ((ended,),) = bodies(receiver)[4:]
    assert datetime.fromisoformat(ended["endsAt"]) == alert.resolved_at
    assert ended["labels"] == posted["labels"]
    pass_time(organization_a, minutes=2)
    send()
    assert len(receiver.requests) == 5
    states = {row.notice: row.state for row in deliveries(organization_a)}
    assert states == {"opened": "delivered", "refreshed": "cancelled", "resolved": "delivered"}


def test_alerts_share_a_request(organization_a, receiver, channel, report, send, pass_time):
    for number in range(20):
        report(organization_a, key=f"k{number}")
    send()
    assert [len(body) for body in bodies(receiver)] == [20]
    pass_time(organization_a, minutes=2)
    send()
    assert [len(body) for body in bodies(receiver)] == [20, 20]


def test_worse_severity_ends_the_milder_alert(organization_a, receiver, channel, report, send):
    report(organization_a, severity="warning")
    send()
    report(organization_a, severity="critical")
    send()
    ends = {one["labels"]["severity"]: one["endsAt"] for one in bodies(receiver)[-1]}
    assert datetime.fromisoformat(ends["warning"]) <= timezone.now()
    assert datetime.fromisoformat(ends["critical"]) > timezone.now()


def test_failed_repetition_is_retried_within_two_minutes_and_not_forgotten(
    organization_a, receiver, channel, report, send, deliveries, pass_time
):
    report(organization_a, severity="critical")
    send()
    receiver.reply = lambda _request: Reply(503)
    for _ in range(8):
        pass_time(organization_a, hours=20)
        send()
    (row,) = deliveries(organization_a, notice="refreshed")
    assert row.state == "failed"
    assert row.due_at <= timezone.now() + timedelta(minutes=2)
    assert watchdog_check(organization_a.id)
    assert any("undelivered" in problem for problem in delivery_problems())
    receiver.reply = lambda _request: Reply(200)
    pass_time(organization_a, minutes=2)
    send()
    (row,) = deliveries(organization_a, notice="refreshed", alert__key__startswith="auto:")
    assert (row.state, row.attempts) == ("queued", 0)
    assert not watchdog_check(organization_a.id)


def test_alert_that_ends_while_it_is_posted_is_posted_again(
    organization_a, receiver, channel, report, send, deliveries, monkeypatch
):
    alert = report(organization_a)
    store = sender.result_store

    def late_store(ids, lease_id, result, **kwargs):
        if len(receiver.requests) == 1:
            alert_resolve(alert, None)
        store(ids, lease_id, result, **kwargs)

    monkeypatch.setattr(sender, "result_store", late_store)
    send()
    assert len(receiver.requests) >= 2
    last = bodies(receiver)[-1][0]
    assert datetime.fromisoformat(last["endsAt"]) <= timezone.now()
    assert {row.state for row in deliveries(organization_a)} == {"delivered"}


def test_disabled_channel_posts_again_once_it_is_enabled(
    organization_a, receiver, channel, report, send, deliveries, pass_time, tenant
):
    report(organization_a)
    send()
    with tenant(organization_a):
        channel_update(channel, is_enabled=False)
    pass_time(organization_a, minutes=2)
    send()
    (row,) = deliveries(organization_a, notice="refreshed")
    assert (row.state, row.held_reason) == ("queued", "The channel is disabled.")
    with tenant(organization_a):
        channel_update(channel, is_enabled=True)
    pass_time(organization_a, minutes=5)
    send()
    assert len(receiver.requests) == 2


def test_test_notice_is_an_alert_that_ends(organization_a, receiver, channel, send, tenant):
    with tenant(organization_a):
        channel_test(channel)
    send()
    ((posted,),) = bodies(receiver)
    assert posted["labels"]["alertname"] == "Test of the channel Alertmanager"
    assert datetime.fromisoformat(posted["endsAt"]) < timezone.now() + timedelta(minutes=1)


def test_received_alert_is_not_sent_back(organization_a, receiver, channel, send, tenant, make_key):
    body = {"version": "4", "alerts": [foreign("firing", fingerprint="ab12")]}
    assert post(make_key(organization_a, ["alerts:write"]), body).json()["opened"] == 1
    send()
    with tenant(organization_a):
        assert not Delivery.objects.exists()


@pytest.mark.parametrize(
    "url", ["ftp://a.example", "https://a.example/?x=1", "https://a.example/#x", ""]
)
def test_channel_with_invalid_url_is_rejected(organization_a, make_key, url):
    key = make_key(organization_a, ["webhooks:write", "webhooks:read"])
    answer = Client(headers={"x-api-key": key}).post(
        "/api/v1/notification-channels",
        {"name": "A", "kind": "alertmanager", "url": url},
        content_type="application/json",
    )
    assert (answer.status_code, "url" in answer.json()["errors"]) == (400, True)


def post(key, body):
    return Client(headers={"authorization": f"Bearer {key}"}).post(
        "/api/v1/alertmanager", body, content_type="application/json"
    )


def foreign(status, *, fingerprint, **fields):
    now = datetime.now(UTC)
    ends_at = now if status == "resolved" else datetime(1, 1, 1, tzinfo=UTC)
    return {
        "status": status,
        "labels": {"alertname": "DiskFull", "severity": "page"},
        "annotations": {"description": "Full."},
        "startsAt": (now - timedelta(minutes=1)).isoformat(),
        "endsAt": ends_at.isoformat(),
        "fingerprint": fingerprint,
        **fields,
    }


def test_real_alertmanager_takes_ours_and_its_webhook_opens_and_resolves_ours(
    organization_a, receiver, make_alertmanager, make_route, make_key, report, send, tenant,
    tmp_path, pass_time, deliveries,
):  # fmt: skip
    key = make_key(organization_a, ["alerts:write"])

    def answers_to(name):
        """Give our endpoint the requests about an alert; return its latest answer."""
        answers = []
        for request in receiver.requests:
            if name.encode() in request.body:
                assert request.headers["authorization"] == f"Bearer {key}"
                answers.append(post(key, json.loads(request.body)))
        assert all(answer.status_code == 200 for answer in answers)
        return answers[-1].json() if answers else None

    def foreign_alert(**times):
        labels = {"alertname": "DiskFull", "severity": "critical"}
        return {"labels": labels, "annotations": {"summary": "Disk of plc-7"}, **times}

    with alertmanager(tmp_path, webhook_url=receiver.url, key=key) as program:
        make_route(organization_a, make_alertmanager(organization_a, f"{program.url}/"))
        alert = report(organization_a, severity="critical")
        send()
        ((first,), states) = program.active(), {row.state for row in deliveries(organization_a)}
        assert (first["labels"]["alertname"], states) == ("Door is open", {"delivered", "queued"})
        assert first["status"]["state"] == "active" or wait_for(
            lambda: program.active()[0]["status"]["state"] == "active"
        )
        pass_time(organization_a, minutes=2)
        send()
        assert program.active()[0]["endsAt"] > first["endsAt"]
        assert wait_for(lambda: answers_to("Door is open"))["unchanged"] == 1

        program.post(foreign_alert())
        assert wait_for(lambda: answers_to("DiskFull"))["opened"] == 1
        with tenant(organization_a):
            received = Alert.objects.get(title="DiskFull")
        assert (received.severity, received.source) == ("critical", "integration")
        assert received.message == "Disk of plc-7"
        receiver.requests.clear()
        program.post(foreign_alert(endsAt=datetime.now(UTC).isoformat()))
        assert wait_for(lambda: answers_to("DiskFull"))["resolved"] == 1

        with tenant(organization_a):
            received.refresh_from_db()
            assert received.is_resolved
            alert_resolve(alert, None)
        send()
        wait_for(lambda: not program.active())


@pytest.mark.parametrize(
    "changes", [{"url": "https://other.example/"}, {"auth_username": "another"}]
)
def test_stored_password_is_not_sent_to_another_receiver(
    organization_a, receiver, make_alertmanager, tenant, changes
):
    values = {"auth_scheme": "basic", "auth_username": "robots", "auth_secret": "word"}
    channel = make_alertmanager(organization_a, receiver.url, **values)
    with tenant(organization_a):
        with pytest.raises(ValidationError) as caught:
            channel_update(channel, **changes)
        assert "auth_secret" in caught.value.message_dict
        stored = NotificationChannel.objects.get()
        assert (stored.url, stored.auth_username) == (receiver.url, "robots")
        changed = channel_update(stored, auth_secret="new", **changes)
        assert authorization(changed).startswith("Basic ")
