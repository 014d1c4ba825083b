"""The sender: signatures, retries, dead letters, poison, leases and replay."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from datetime import timedelta

import pytest

from apps.alerts.exceptions import DeliveryStateError
from apps.alerts.models import Delivery, NotificationChannel
from apps.alerts.services.notifications.channels import channel_rotate_secret, signing_secrets
from apps.alerts.services.notifications.deliveries import deliveries_clean_up, delivery_replay
from apps.alerts.services.notifications.results import retry_delay
from apps.audit.models import AuditLog
from tests.support.webhook_receiver import Reply

pytestmark = pytest.mark.django_db
FAST = [timedelta(milliseconds=50)]


def signatures(secret: str, request) -> str:
    """Return the signature as the specification describes it, computed here."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    head = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}."
    digest = hmac.new(key, head.encode() + request.body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


@pytest.fixture
def channel(organization_a, receiver, make_webhook, make_route):
    channel = make_webhook(organization_a, receiver)
    make_route(organization_a, channel)
    return channel


def test_webhook_is_signed_thin_and_logged(
    organization_a, receiver, channel, make_robot, report, send, deliveries, tenant
):
    robot = make_robot(organization_a)
    alert = report(organization_a, robot=robot, severity="critical")
    assert send() == 1
    (request,) = receiver.requests
    (delivery,) = deliveries(organization_a)
    assert request.headers["webhook-id"] == str(delivery.pk)
    assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 30
    with tenant(organization_a):
        secrets = signing_secrets(channel)
    assert request.headers["webhook-signature"] == signatures(secrets[0], request)
    content = json.loads(request.body)
    assert content["type"] == "alert.opened"
    assert content["data"]["alert_id"] == str(alert.pk)
    assert content["data"]["robot_id"] == str(robot.pk)
    assert "message" not in content["data"]
    assert (delivery.state, delivery.attempts, delivery.response_code) == ("delivered", 1, 204)
    assert delivery.latency_ms is not None


def test_rotated_secret_signs_beside_the_new_one_for_a_day(
    organization_a, receiver, channel, report, send, tenant
):
    with tenant(organization_a):
        before = signing_secrets(channel)
        rotated = channel_rotate_secret(channel)
        after = signing_secrets(rotated)
    assert after[1:] == before
    assert after[0] != before[0]
    report(organization_a)
    send()
    request = receiver.requests[-1]
    found = request.headers["webhook-signature"].split(" ")
    assert found == [signatures(secret, request) for secret in after]
    with tenant(organization_a):
        rows = NotificationChannel.objects.filter(pk=channel.pk)
        rows.update(previous_secret_expires_at=rotated.created_at)
        assert signing_secrets(rows.get()) == after[:1]
    report(organization_a, key="later")
    send()
    assert " " not in receiver.requests[-1].headers["webhook-signature"]


def test_secrets_are_encrypted_and_not_audited(organization_a, channel, tenant):
    with tenant(organization_a):
        stored = NotificationChannel.objects.get(pk=channel.pk)
        (secret,) = signing_secrets(stored)
        assert stored.signing_secret.startswith("v1.")
        rows = AuditLog.objects.filter(action="alerts.channel.create")
        texts = [json.dumps([row.before, row.after]) for row in rows]
    assert texts
    assert "[secret]" in texts[0]
    assert not any(secret in text or stored.signing_secret in text for text in texts)


def test_failure_is_retried_with_the_same_id(
    organization_a, receiver, channel, report, send, deliveries, pass_time
):
    replies = iter([Reply(503), Reply(429, {"Retry-After": "3000"}), Reply(200)])
    receiver.reply = lambda _request: next(replies)
    report(organization_a)
    send()
    (delivery,) = deliveries(organization_a)
    assert (delivery.state, delivery.response_code) == ("failed", 503)
    assert delivery.last_error == "The answer was 503 (Service Unavailable)."
    wait = (delivery.due_at - delivery.first_attempt_at).total_seconds()
    assert 2.4 < wait < 7
    pass_time(organization_a, seconds=10)
    send()
    (delivery,) = deliveries(organization_a)
    assert 2_900 < (delivery.due_at - delivery.first_attempt_at).total_seconds() < 3_100
    pass_time(organization_a, hours=1)
    send()
    (delivery,) = deliveries(organization_a)
    assert (delivery.state, delivery.attempts, delivery.last_error) == ("delivered", 3, "")
    assert {request.headers["webhook-id"] for request in receiver.requests} == {str(delivery.pk)}


def test_rejected_delivery_is_dead_after_three_attempts_and_can_be_replayed(
    organization_a, receiver, channel, report, send, deliveries, pass_time, tenant
):
    receiver.reply = lambda _request: Reply(404)
    report(organization_a)
    for _ in range(5):
        send()
        pass_time(organization_a, hours=2)
    (delivery,) = deliveries(organization_a)
    assert (delivery.state, delivery.attempts) == ("dead", 3)
    receiver.reply = lambda _request: Reply(200)
    with tenant(organization_a):
        delivery_replay(delivery)
        with pytest.raises(DeliveryStateError):
            delivery_replay(delivery)
        assert AuditLog.objects.filter(action="alerts.delivery.replay").count() == 1
    send()
    (delivery,) = deliveries(organization_a)
    assert delivery.state == "delivered"
    assert {request.headers["webhook-id"] for request in receiver.requests} == {str(delivery.pk)}


def test_gone_receiver_disables_the_channel(
    organization_a, receiver, channel, report, send, deliveries, tenant
):
    receiver.reply = lambda _request: Reply(410)
    report(organization_a)
    send()
    with tenant(organization_a):
        stored = NotificationChannel.objects.get(pk=channel.pk)
    assert not stored.is_enabled
    assert "410" in stored.disabled_reason
    assert [row.state for row in deliveries(organization_a)] == ["dead"]


def test_redirect_and_private_address_are_rejected(
    organization_a, receiver, channel, report, send, deliveries, settings
):
    receiver.reply = lambda _request: Reply(307, {"Location": receiver.url})
    report(organization_a)
    send()
    assert len(receiver.requests) == 1
    (first,) = deliveries(organization_a)
    assert "redirects are not followed" in first.last_error
    settings.OUTGOING_PRIVATE_NETWORKS = []
    report(organization_a, key="other")
    send()
    (second,) = deliveries(organization_a, alert__key="other")
    assert "private, local or reserved" in second.last_error
    assert len(receiver.requests) == 1


def test_delivery_is_dead_after_72_hours(
    organization_a, receiver, channel, report, send, deliveries, pass_time
):
    receiver.reply = lambda _request: Reply(500)
    report(organization_a)
    attempts = 0
    for _ in range(40):
        attempts += send()
        (delivery,) = deliveries(organization_a)
        if delivery.state == "dead":
            break
        pass_time(organization_a, hours=4)
    assert delivery.state == "dead"
    assert len(receiver.requests) == delivery.attempts == attempts
    # With the longest waits the nine delays and 24 hours each fit into 72 hours.
    assert attempts >= 9


def test_retry_delays_grow_and_are_spread():
    waits = [5, 30, 120, 600, 1800, 3600, 10800, 28800, 86400, 86400]
    for attempts, seconds in enumerate(waits, start=1):
        found = {retry_delay(attempts).total_seconds() for _ in range(20)}
        assert all(seconds / 2 <= value <= seconds for value in found)
        assert len(found) > 1


def _abandon(organization, tenant, times: int) -> None:
    """Leave the deliveries as a worker that ended while it sent them."""
    with tenant(organization):
        Delivery.objects.update(
            state="sending",
            lease_id=uuid.uuid4(),
            attempts=times,
            unfinished_attempts=times,
            due_at=Delivery.objects.first().created_at + timedelta(hours=1),
        )


def test_lease_of_a_dead_sender_is_taken_over_at_once(
    organization_a, receiver, channel, report, send, deliveries, tenant
):
    report(organization_a)
    _abandon(organization_a, tenant, 2)
    send()
    (delivery,) = deliveries(organization_a)
    assert (delivery.state, delivery.attempts, delivery.unfinished_attempts) == ("delivered", 3, 0)


def test_delivery_that_ended_the_worker_three_times_is_dead(
    organization_a, receiver, channel, report, send, deliveries, tenant
):
    report(organization_a)
    _abandon(organization_a, tenant, 3)
    report(organization_a, key="other")
    send()
    states = {row.alert.key[:5]: row.state for row in deliveries(organization_a)}
    assert states == {"auto:": "dead", "other": "delivered"}
    (dead,) = deliveries(organization_a, state="dead")
    assert dead.last_error == "The worker ended 3 times while it sent this."


def test_slow_channel_does_not_hold_up_critical_ones(
    organization_a, receiver, make_webhook, make_route, report, send, settings
):
    slow = make_webhook(organization_a, receiver, name="Slow")
    quick = make_webhook(organization_a, receiver, name="Quick")
    make_route(organization_a, slow, name="Slow", position=1, severities=["info"])
    make_route(organization_a, quick, name="Quick", position=2)
    receiver.reply = lambda r: Reply(wait_seconds=0.6 if b'"info"' in r.body else 0)
    for number in range(30):
        report(organization_a, key=f"slow-{number}", severity="info")
    report(organization_a, key="urgent", severity="critical")
    report(organization_a, key="other", severity="error")
    start = time.time()
    assert send() == 32
    order = sorted(receiver.requests, key=lambda request: request.time)
    quick_times = [r.time - start for r in order if b'"info"' not in r.body]
    assert max(quick_times) < 0.6


def test_second_sender_leaves_at_once(organization_a, channel, report, send, app_cursor):
    report(organization_a)
    app_cursor.execute("SELECT pg_advisory_lock(hashtextextended('alerts.sender', 0))")
    assert send() == 0
    app_cursor.execute("SELECT pg_advisory_unlock(hashtextextended('alerts.sender', 0))")
    assert send() == 1


def test_clean_up_deletes_what_ended_90_days_ago(
    organization_a, receiver, channel, report, send, deliveries, tenant
):
    report(organization_a)
    report(organization_a, key="other")
    send()
    with tenant(organization_a):
        old = Delivery.objects.filter(alert__key="other")
        old.update(ended_at=old.get().ended_at - timedelta(days=91))
        assert deliveries_clean_up() == 1
    assert len(deliveries(organization_a)) == 1


def test_delivery_that_cannot_be_rendered_is_dead_and_holds_up_none(
    organization_a, receiver, channel, report, send, deliveries, monkeypatch
):
    from apps.alerts.services.notifications.messages import webhooks as messages

    real = messages.webhook_body

    def fail(notice, time, data):
        if data["key"] == "odd":
            raise ValueError
        return real(notice, time, data)

    monkeypatch.setattr(messages, "webhook_body", fail)
    for key in ("odd", "even"):
        report(organization_a, key=key)
    assert send() == 1
    states = {row.alert.key: row.state for row in deliveries(organization_a)}
    assert states == {"odd": "dead", "even": "delivered"}
