"""Push messages: encryption, subscriptions, delivery to a real server, and their end."""

from __future__ import annotations

import time

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.alerts.exceptions import TooManyRowsError
from apps.alerts.models import NotificationChannel, PushKey, PushSubscription
from apps.alerts.protocols.web_push import (
    MAX_MESSAGE_BYTES,
    encrypt_message,
    from_base64url,
    private_key_from,
    to_base64url,
)
from apps.alerts.services.notifications import outbox
from apps.alerts.services.notifications.channels import channel_create, channel_test
from apps.alerts.services.notifications.push import push_subscribe
from apps.audit.models import AuditLog
from tests.alerts.notifications.conftest import LOOPBACK
from tests.support.push_browser import PushBrowser, point, verified_claims
from tests.support.webhook_receiver import Reply
from urfmp.common.tenancy.context import tenant_transaction

pytestmark = pytest.mark.django_db


def test_encryption_equals_the_example_of_rfc_8291():
    body = encrypt_message(
        b"When I grow up, I want to be a watermelon",
        browser_key="BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNto"
        "IAiw4",
        auth_secret="BTBZMqHH6r4Tts7J_aSIgg",
        salt=from_base64url("DGv6ra1nlYgDCS1FRnbzlw"),
        own_key=private_key_from("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"),
    )
    assert to_base64url(body) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6T"
        "lzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4"
        "a-fN"
    )


@settings(max_examples=20, deadline=None)
@given(st.binary(max_size=MAX_MESSAGE_BYTES))
def test_browser_decrypts_any_message(message):
    browser = PushBrowser()
    body = encrypt_message(message, **browser.answer)
    assert browser.decrypt(body) == message
    assert len(body) <= 4096
    assert body != encrypt_message(message, **browser.answer)


def test_message_that_is_too_long_is_rejected():
    with pytest.raises(ValueError, match="3993 bytes"):
        encrypt_message(bytes(MAX_MESSAGE_BYTES + 1), **PushBrowser().answer)


@pytest.fixture
def browser():
    return PushBrowser()


@pytest.fixture
def subscribe():
    def make(user, browser, endpoint, label="Chrome on Android"):
        with tenant_transaction(user.organization_id):
            return push_subscribe(user, endpoint=endpoint, label=label, **browser.answer)

    return make


@pytest.fixture
def channel(organization_a, tenant, receiver, make_route):
    with tenant(organization_a):
        channel = channel_create(
            organization_id=organization_a.id,
            kind="web_push",
            name="Phones",
            roles=["admin"],
            allowed_networks=[LOOPBACK],
        )
    make_route(organization_a, channel, group_wait_seconds=0, group_interval_seconds=0)
    return channel


def test_alert_reaches_the_browser_encrypted_with_the_same_id_in_each_attempt(
    organization_a, alice, channel, receiver, browser, subscribe, make_robot, report, send,
    deliveries, pass_time,
):  # fmt: skip
    subscription = subscribe(alice, browser, receiver.url)
    robot = make_robot(organization_a)
    replies = iter([Reply(503), Reply(201)])
    receiver.reply = lambda _request: next(replies)
    alert = report(organization_a, robot=robot, severity="critical", title="Motor 3 is hot")
    assert send() == 1
    pass_time(organization_a, seconds=10)
    assert send() == 1
    first, second = receiver.requests
    assert first.headers["topic"] == second.headers["topic"]
    assert first.body != second.body
    content = browser.content(second.body)
    assert content == browser.content(first.body) | {"confirm": content["confirm"]}
    assert content["title"] == "Critical: Motor 3 is hot"
    assert str(robot) in content["body"]
    assert content["url"] == f"/admin/alerts/alert/{alert.pk}/change/"
    assert content["acknowledge"] == f"/api/v1/alerts/{alert.pk}/acknowledge"
    assert content["confirm"].startswith("/admin/acknowledge/#")
    assert content["severity"] == "critical"
    headers = second.headers
    assert (headers["urgency"], headers["content-encoding"]) == ("high", "aes128gcm")
    assert int(headers["ttl"]) > 0
    (delivery,) = deliveries(organization_a)
    assert (delivery.state, delivery.attempts, delivery.response_code) == ("delivered", 2, 201)
    assert (delivery.user, delivery.address) == (alice, alice.email)
    assert delivery.subscription_id == subscription.pk
    assert content["id"] == str(delivery.batch_id)
    assert to_base64url(delivery.batch_id.bytes) == headers["topic"]


def test_token_names_the_push_service_and_the_operator(
    organization_a, alice, channel, receiver, browser, subscribe, report, send, tenant
):
    subscribe(alice, browser, receiver.url)
    report(organization_a)
    send()
    claims, public_key = verified_claims(receiver.requests[0].headers["authorization"])
    assert claims["aud"] == receiver.url.removesuffix("/hook")
    assert 0 < claims["exp"] - time.time() <= 24 * 3600
    assert claims["sub"].startswith(("mailto:", "https://"))
    with tenant(organization_a):
        assert PushKey.objects.get().public_key == public_key


@pytest.mark.parametrize("status", [404, 410])
def test_subscription_that_is_gone_ends_and_the_channel_stays_enabled(
    organization_a, alice, channel, receiver, browser, subscribe, report, send, deliveries,
    tenant, status,
):  # fmt: skip
    subscribe(alice, browser, receiver.url)
    receiver.reply = lambda _request: Reply(status)
    report(organization_a)
    send()
    (delivery,) = deliveries(organization_a)
    assert (delivery.state, delivery.subscription_id) == ("dead", None)
    with tenant(organization_a):
        assert not PushSubscription.objects.exists()
        assert NotificationChannel.objects.get().is_enabled
        assert AuditLog.objects.filter(action="alerts.push_subscription.expire").exists()
    report(organization_a, key="another")
    assert send() == 0


def test_each_browser_of_the_recipients_gets_its_own_message(
    organization_a, alice, bob, channel, receiver, subscribe, report, send
):
    browsers = {f"{receiver.url}/{number}": PushBrowser() for number in range(2)}
    for endpoint, browser in browsers.items():
        subscribe(alice, browser, endpoint)
    subscribe(bob, PushBrowser(), f"{receiver.url}/b")  # of another organization
    report(organization_a)
    assert send() == 2
    for request in receiver.requests:
        content = browsers[f"{receiver.url.removesuffix('/hook')}{request.path}"].content(
            request.body
        )
        assert content["title"] == "Error: Door is open"


def test_alerts_of_a_facility_share_a_message(
    organization_a, alice, tenant, receiver, browser, subscribe, make_route, report, send, pass_time
):
    with tenant(organization_a):
        channel = channel_create(
            organization_id=organization_a.id, kind="web_push", name="Phones", roles=["admin"],
            allowed_networks=[LOOPBACK],
        )  # fmt: skip
    make_route(organization_a, channel)
    subscribe(alice, browser, receiver.url)
    for number in range(6):
        report(organization_a, key=f"key-{number}", title=f"Door {number} is open")
    pass_time(organization_a, seconds=60)
    assert send() == 1
    content = browser.content(receiver.requests[0].body)
    assert content["title"] == f"6 alerts at {organization_a.name}"
    assert content["body"].endswith("and 2 more")
    assert content["url"] == "/admin/alerts/alert/"
    assert "acknowledge" not in content


def test_long_texts_fit_into_a_message(
    organization_a, alice, channel, receiver, browser, subscribe, report, send
):
    subscribe(alice, browser, receiver.url)
    for number in range(8):
        report(organization_a, key=f"key-{number}", title="\U0001f916" * 255)
    send()
    assert receiver.requests
    assert all(len(request.body) <= 4096 for request in receiver.requests)


def test_resolved_alert_replaces_its_message(
    organization_a, alice, channel, receiver, browser, subscribe, report, send, tenant
):
    from apps.alerts.services.alerts import alert_resolve

    subscribe(alice, browser, receiver.url)
    alert = report(organization_a)
    send()
    with tenant(organization_a):
        alert_resolve(alert, None, resolution="Closed.")
    send()
    first, last = (browser.content(request.body) for request in receiver.requests)
    assert last["tag"] == first["tag"]
    assert last["is_resolved"]
    assert last["acknowledge"] == ""
    assert last["title"] == "Resolved: Door is open"


def test_new_password_ends_the_browsers_of_a_user(
    organization_a, alice, channel, receiver, browser, subscribe, report, send, deliveries, tenant
):
    from apps.accounts.services.users import user_update

    subscribe(alice, browser, receiver.url)
    report(organization_a)
    with tenant(organization_a):
        user_update(alice, password="another correct horse battery")
    assert send() == 0
    (delivery,) = deliveries(organization_a)
    assert delivery.state == "cancelled"
    assert "not subscribed any more" in delivery.held_reason
    report(organization_a, key="another")
    assert len(deliveries(organization_a)) == 1


def test_private_address_needs_the_permission_of_the_platform(
    organization_a,
    alice,
    tenant,
    receiver,
    browser,
    subscribe,
    make_route,
    report,
    send,
    deliveries,
):
    with tenant(organization_a):
        channel = channel_create(
            organization_id=organization_a.id, kind="web_push", name="Phones", roles=["admin"]
        )
    make_route(organization_a, channel, group_wait_seconds=0)
    subscribe(alice, browser, receiver.url)
    report(organization_a)
    send()
    assert receiver.connections == 0
    (delivery,) = deliveries(organization_a)
    assert "private" in delivery.last_error


def test_endpoint_and_keys_are_encrypted_and_hidden_in_the_audit_log(
    organization_a, alice, browser, subscribe, tenant
):
    endpoint = "https://push.example.com/capability-1234"
    subscription = subscribe(alice, browser, endpoint)
    with tenant(organization_a):
        stored = PushSubscription.objects.values().get()
        logs = str(list(AuditLog.objects.values("before", "after", "request_data")))
    for secret in ("capability-1234", browser.answer["auth_secret"]):
        assert secret not in str(stored)
        assert secret not in logs
    assert stored["service"] == "push.example.com"
    assert stored["id"] == subscription.pk


@pytest.mark.parametrize(
    "changes",
    [
        {"endpoint": "ftp://push.example.com/1"},
        {"endpoint": "https://user:word@push.example.com/1"},
        {"browser_key": "AAAA"},
        {"browser_key": "é"},
        {"auth_secret": "AAAA"},
    ],
)
def test_unusable_answer_of_a_browser_is_rejected(organization_a, alice, browser, tenant, changes):
    values = {"endpoint": "https://push.example.com/1", "label": "", **browser.answer, **changes}
    with tenant(organization_a), pytest.raises(ValidationError, match="unusable"):
        push_subscribe(alice, **values)


def test_plain_http_is_rejected_where_https_is_required(
    organization_a, alice, browser, tenant, settings
):
    settings.INSECURE_HTTP = False
    with tenant(organization_a), pytest.raises(ValidationError, match="unusable"):
        push_subscribe(alice, endpoint="http://push.example.com/1", label="", **browser.answer)


def test_browser_belongs_to_the_user_who_subscribed_it_last(
    organization_a, alice, make_user, browser, subscribe, tenant
):
    other = make_user(organization_a, "admin")
    subscribe(alice, browser, "https://push.example.com/1")
    subscribe(other, browser, "https://push.example.com/1")
    with tenant(organization_a):
        assert PushSubscription.objects.get().user == other


def test_user_has_a_maximum_number_of_browsers(organization_a, alice, browser, subscribe):
    for number in range(10):
        subscribe(alice, browser, f"https://push.example.com/{number}")
    with pytest.raises(TooManyRowsError):
        subscribe(alice, browser, "https://push.example.com/10")


def test_test_of_a_channel_without_browsers_is_rejected(organization_a, channel, tenant):
    with tenant(organization_a), pytest.raises(ValidationError, match="turned push messages on"):
        channel_test(channel)


def test_own_page_subscribes_lists_and_removes_a_browser(
    organization_a, alice, client_for, browser, channel, receiver, send, tenant
):
    client = client_for(alice)
    url = "/admin/own-notifications/"
    values = {"browser": "on", "endpoint": receiver.url, **browser.answer}
    assert client.post(url, values).status_code == 302
    page = client.get(url).content.decode()
    assert "receives push messages from now on" in page
    assert "No channel sends" not in page
    assert receiver.url not in page
    with tenant(organization_a):
        subscription = PushSubscription.objects.get()
        channel_test(channel)
    send()
    assert browser.content(receiver.requests[0].body)["tag"] == "test"
    assert client.post(url, {"browser": str(subscription.pk)}).status_code == 302
    with tenant(organization_a):
        assert not PushSubscription.objects.exists()
    assert "removed before" in client.post(url, {"browser": "x"}, follow=True).content.decode()


def test_own_page_rejects_an_incomplete_answer(alice, client_for, organization_a, tenant):
    client = client_for(alice)
    page = client.post("/admin/own-notifications/", {"browser": "on"}, follow=True)
    assert "incomplete" in page.content.decode()
    with tenant(organization_a):
        assert not PushSubscription.objects.exists()


def test_user_cannot_remove_the_browser_of_another(
    organization_a, alice, make_user, client_for, browser, subscribe, tenant
):
    subscription = subscribe(
        make_user(organization_a, "admin"), browser, "https://push.example.com/1"
    )
    client_for(alice).post("/admin/own-notifications/", {"browser": str(subscription.pk)})
    with tenant(organization_a):
        assert PushSubscription.objects.filter(pk=subscription.pk).exists()


def test_sign_out_ends_the_subscription_of_this_browser_alone(
    organization_a, alice, client_for, browser, subscribe, tenant
):
    subscribe(alice, browser, "https://push.example.com/here")
    kept = subscribe(alice, browser, "https://push.example.com/elsewhere")
    client_for(alice).post("/admin/logout/", {"push_endpoint": "https://push.example.com/here"})
    with tenant(organization_a):
        assert PushSubscription.objects.get() == kept
    Client().post("/admin/logout/", {"push_endpoint": "https://push.example.com/elsewhere"})
    with tenant(organization_a):
        assert PushSubscription.objects.exists()


def test_two_organizations_have_different_keys(organization_a, organization_b, tenant):
    from apps.alerts.services.notifications.push import push_key, push_key_pair

    pairs = []
    for organization in (organization_a, organization_b):
        with tenant(organization):
            pairs.append(push_key_pair(push_key(organization.id)))
            assert push_key(organization.id).public_key == pairs[-1].public
    assert pairs[0] != pairs[1]
    for pair in pairs:
        assert to_base64url(point(private_key_from(pair.private).public_key())) == pair.public


def test_stale_subscriptions_are_deleted_at_night(
    organization_a, alice, browser, subscribe, tenant
):
    from apps.alerts.services.notifications.push import push_subscriptions_clean_up

    subscribe(alice, browser, "https://push.example.com/1")
    with tenant(organization_a):
        assert push_subscriptions_clean_up() == 0
        type(alice).objects.filter(pk=alice.pk).update(trusted_devices_reset_at=timezone.now())
        assert push_subscriptions_clean_up() == 1


def test_sign_out_during_an_alert_leaves_its_other_deliveries(
    organization_a, alice, channel, browser, subscribe, report, deliveries, monkeypatch, tenant
):
    gone = subscribe(alice, browser, "https://push.example/gone")
    kept = subscribe(alice, PushBrowser(), "https://push.example/kept")
    select = outbox.channel_recipients

    def select_then_sign_out(*args, **values):
        found = list(select(*args, **values))
        PushSubscription.objects.filter(pk=gone.pk).delete()
        return found

    monkeypatch.setattr(outbox, "channel_recipients", select_then_sign_out)
    report(organization_a, severity="critical")
    assert [one.subscription_id for one in deliveries(organization_a)] == [kept.pk]
