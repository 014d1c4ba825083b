"""E-mails: grouping, repeats, escalation, preferences, and the link to acknowledge."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core import mail, signing
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from apps.alerts.models import Alert, Delivery
from apps.alerts.selectors.notifications import is_working_time, quiet_end
from apps.alerts.services.alerts import alert_acknowledge, alert_resolve
from apps.alerts.services.notifications.preferences import preference_update
from apps.alerts.services.notifications.silences import silence_create, silence_end
from apps.audit.models import AuditLog
from apps.organizations.models.settings import WorkingHours

pytestmark = pytest.mark.django_db


@pytest.fixture
def channel(organization_a, alice, make_email_channel):
    return make_email_channel(organization_a)


def link_in(message) -> str:
    return re.search(r"http\S+/acknowledge/#(\S+)", message.body)[1]


def test_storm_of_a_facility_is_one_email(
    organization_a, channel, make_route, make_facility, make_robot, report, send, pass_time,
    deliveries,
):  # fmt: skip
    make_facility(organization_a, "Hall 1")
    make_route(organization_a, channel)
    robots = [make_robot(organization_a, location={"facility": "Hall 1"}) for _ in range(3)]
    for number in range(9):
        report(organization_a, robot=robots[number % 3], key=f"k{number}", severity="warning")
    elsewhere = report(organization_a, title="Elsewhere")
    assert send() == 0  # e-mails wait for further alerts
    pass_time(organization_a, seconds=31)
    assert send() == 2
    storm, other = sorted(mail.outbox, key=lambda message: len(message.body), reverse=True)
    assert storm.subject == "[URFMP] 9 alerts at Hall 1, worst: Warning"
    assert other.subject == f"[URFMP] Error: {elsewhere.title}"
    assert {row.state for row in deliveries(organization_a)} == {"delivered"}
    # The next one keeps the interval, a critical one does not.
    report(organization_a, robot=robots[0], key="next", severity="warning")
    pass_time(organization_a, seconds=31)
    assert send() == 0
    report(organization_a, robot=robots[1], key="worse", severity="critical")
    pass_time(organization_a, seconds=31)
    assert send() == 1
    assert mail.outbox[-1].subject == "[URFMP] 2 alerts at Hall 1, worst: Critical"


def test_critical_alert_does_not_wait(organization_a, channel, make_route, report, send):
    make_route(organization_a, channel)
    report(organization_a, severity="critical")
    assert send() == 1


def test_email_has_text_html_link_and_the_recipients_time(
    organization_a, alice, channel, make_route, make_robot, report, send, tenant
):
    with tenant(organization_a):
        type(alice).objects.filter(pk=alice.pk).update(timezone="Asia/Tokyo")
    make_route(organization_a, channel)
    robot = make_robot(organization_a, name="Arm <7>")
    alert = report(
        organization_a, robot=robot, severity="critical", title="Too hot\u2028", message="<b>71</b>"
    )
    send()
    (message,) = mail.outbox
    assert message.to == [alice.email]
    assert message.subject == "[URFMP] Critical: Too hot (Arm <7>)"
    local = alert.created_at.astimezone(ZoneInfo("Asia/Tokyo"))
    assert f"{local:%H:%M}" in message.body
    address = reverse("admin:alerts_alert_change", args=[alert.pk])
    (html,) = message.alternatives
    for text in (message.body, html.content):
        assert address in text
        assert "/acknowledge/#" in text
    assert "<b>71</b>" in message.body
    assert "<b>71</b>" not in html.content
    assert "Arm &lt;7&gt;" in html.content


def test_emails_of_an_alert_are_one_thread(
    organization_a, alice, channel, make_route, report, send, deliveries, tenant, pass_time
):
    make_route(organization_a, channel)
    alert = report(organization_a, severity="critical")
    send()
    with tenant(organization_a):
        alert_resolve(alert, alice, resolution="Closed.")
    pass_time(organization_a, minutes=10)
    send()
    first, second = mail.outbox
    assert second.subject.startswith("[URFMP] Resolved: Critical")
    assert "Closed." in second.body
    assert "/acknowledge/#" not in second.body
    assert first.extra_headers["References"] == second.extra_headers["References"]
    ids = [f"<{row.pk}@" for row in deliveries(organization_a)]
    assert [m.extra_headers["Message-ID"].split("@")[0] + "@" for m in mail.outbox] == ids


def test_alert_resolved_before_the_email_is_not_sent(
    organization_a, alice, channel, make_route, report, send, tenant, pass_time
):
    make_route(organization_a, channel)
    alert = report(organization_a)
    with tenant(organization_a):
        alert_resolve(alert, alice)
    pass_time(organization_a, minutes=10)
    assert send() == 0


def test_reminders_repeat_until_acknowledged(
    organization_a, alice, channel, make_route, report, send, tenant, pass_time
):
    make_route(organization_a, channel, repeat_minutes=30)
    alert = report(organization_a)
    for _ in range(3):
        pass_time(organization_a, minutes=31)
        assert send() == 1
    assert mail.outbox[-1].subject.startswith("[URFMP] Not acknowledged: Error")
    with tenant(organization_a):
        alert_acknowledge(alert, alice)
    pass_time(organization_a, minutes=31)
    assert send() == 0


def test_escalation_reaches_the_next_channel_unless_acknowledged(
    organization_a, bob, alice, channel, make_email_channel, make_route, report, send, tenant,
    pass_time,
):  # fmt: skip
    chief = make_email_channel(organization_a, name="Chief", addresses=[bob.email])
    make_route(organization_a, channel, escalate=[(chief, 15)])
    report(organization_a, key="ignored")
    seen = report(organization_a, key="seen")
    pass_time(organization_a, minutes=1)
    assert send() == 1  # both in one e-mail to Alice
    with tenant(organization_a):
        alert_acknowledge(seen, alice)
    pass_time(organization_a, minutes=16)
    assert send() == 1
    assert mail.outbox[-1].to == [bob.email]
    assert mail.outbox[-1].subject == "[URFMP] Escalated: Error: Door is open"


def _quiet_now(user, organization) -> dict[str, time]:
    now = datetime.now(ZoneInfo(user.effective_timezone))
    return {
        "quiet_from": (now - timedelta(hours=1)).time().replace(second=0, microsecond=0),
        "quiet_until": (now + timedelta(hours=1)).time().replace(second=0, microsecond=0),
    }


def test_quiet_hours_hold_all_but_critical(
    organization_a, alice, channel, make_route, report, send, deliveries, tenant, pass_time
):
    with tenant(organization_a):
        preference_update(alice, min_severity="info", **_quiet_now(alice, organization_a))
    make_route(organization_a, channel)
    report(organization_a)
    pass_time(organization_a, minutes=1)
    assert send() == 0
    (held,) = deliveries(organization_a)
    assert held.held_reason.startswith("Quiet hours until")
    report(organization_a, key="urgent", severity="critical")
    assert send() == 1
    assert "1 alert" not in mail.outbox[0].subject


def test_preferences_leave_out_lower_severities_but_never_critical(
    organization_a, alice, channel, make_route, report, send, deliveries, tenant, pass_time
):
    with tenant(organization_a):
        preference_update(alice, min_severity="critical", quiet_from=None, quiet_until=None)
    make_route(organization_a, channel)
    report(organization_a, key="a", severity="error")
    report(organization_a, key="b", severity="critical")
    pass_time(organization_a, minutes=1)
    assert send() == 1
    states = {row.alert.key: row.state for row in deliveries(organization_a)}
    assert states == {"a": "cancelled", "b": "delivered"}


def test_silence_holds_until_it_ends(
    organization_a, alice, channel, make_route, report, send, deliveries, tenant, pass_time
):
    make_route(organization_a, channel)
    report(organization_a)
    with tenant(organization_a):
        now = datetime.now(ZoneInfo("UTC"))
        silence = silence_create(
            organization_id=organization_a.id,
            created_by=alice,
            reason="Planned work",
            types=["system"],
            starts_at=now - timedelta(minutes=1),
            ends_at=now + timedelta(hours=2),
        )
    pass_time(organization_a, minutes=1)
    assert send() == 0
    (held,) = deliveries(organization_a)
    assert "Planned work" in held.held_reason
    report(organization_a, type="status")
    pass_time(organization_a, minutes=1)
    assert send() == 1  # another type
    with tenant(organization_a):
        silence_end(silence)
    assert send() == 1


def test_acknowledge_link_needs_one_confirmation(
    organization_a, alice, bob, make_email_channel, make_route, report, send, tenant
):
    channel = make_email_channel(organization_a, roles=["admin"], addresses=[bob.email])
    make_route(organization_a, channel)
    alert = report(organization_a, severity="critical")
    send()
    messages = {message.to[0]: message for message in mail.outbox}
    # A viewer may not acknowledge, so the message does not have a link.
    assert "/acknowledge/#" not in messages[bob.email].body
    token = link_in(messages[alice.email])
    page = reverse("admin:acknowledge_alerts")
    client = Client(enforce_csrf_checks=True)
    for method in ("get", "head", "get"):
        assert getattr(client, method)(page, {"token": token}).status_code == 200
    assert client.post(page, {"token": token}).status_code == 403  # a form of another site
    with tenant(organization_a):
        assert not Alert.objects.get(pk=alert.pk).is_acknowledged
    form = Client()
    answer = form.post(page, {"token": token})
    assert answer.status_code == 200
    assert "Acknowledged:" in answer.content.decode()
    with tenant(organization_a):
        stored = Alert.objects.get(pk=alert.pk)
        assert stored.acknowledged_by == alice
        row = AuditLog.objects.filter(action="alerts.alert.acknowledge").latest("seq")
        assert row.user_id == alice.pk
    again = form.post(page, {"token": token}).content.decode()
    assert "Already acknowledged or resolved:" in again


def test_acknowledge_link_when_invalid_expired_or_revoked_is_rejected(
    organization_a, alice, channel, make_route, report, send, tenant, monkeypatch
):
    make_route(organization_a, channel)
    alert = report(organization_a, severity="critical")
    send()
    token = link_in(mail.outbox[0])
    page = reverse("admin:acknowledge_alerts")
    changed = token[:-1] + ("A" if token[-1] != "A" else "B")
    foreign = signing.dumps([str(organization_a.pk)] * 3, salt="other")
    for text in ("", "x", changed, foreign, "a" * 1000, "\u0141:1:2"):
        assert Client().post(page, {"token": text}).status_code == 400
    real = signing.time.time
    monkeypatch.setattr(signing.time, "time", lambda: real() + 73 * 3600)
    assert Client().post(page, {"token": token}).status_code == 400
    monkeypatch.setattr(signing.time, "time", real)
    with tenant(organization_a):
        type(alice).objects.filter(pk=alice.pk).update(is_active=False)
    assert Client().post(page, {"token": token}).status_code == 400
    with tenant(organization_a):
        assert not Alert.objects.get(pk=alert.pk).is_acknowledged


def test_failed_email_is_retried_with_the_same_message(
    organization_a, channel, make_route, report, send, deliveries, pass_time, monkeypatch
):
    from django.core.mail import EmailMultiAlternatives

    make_route(organization_a, channel)
    report(organization_a, key="a")
    report(organization_a, key="b")
    real = EmailMultiAlternatives.send
    sent = []

    def fail(message, *_args, **_kwargs):
        sent.append(message.extra_headers["Message-ID"])
        raise ConnectionRefusedError

    monkeypatch.setattr(EmailMultiAlternatives, "send", fail)
    pass_time(organization_a, minutes=1)
    assert send() == 1
    assert {row.state for row in deliveries(organization_a)} == {"failed"}
    report(organization_a, key="c")  # waits for its own e-mail
    monkeypatch.setattr(EmailMultiAlternatives, "send", real)
    pass_time(organization_a, seconds=20)
    assert send() == 1
    assert mail.outbox[0].subject == "[URFMP] 2 alerts at Acme, worst: Error"
    assert mail.outbox[0].extra_headers["Message-ID"] == sent[0]


def test_address_without_user_gets_no_link(
    organization_a, make_email_channel, make_route, report, send
):
    make_route(organization_a, make_email_channel(organization_a, addresses=["hall@x.example"]))
    report(organization_a, severity="critical")
    send()
    (message,) = mail.outbox
    assert message.to == ["hall@x.example"]
    assert "/acknowledge/#" not in message.body
    assert "own-notifications" not in message.body


def test_test_notice_is_sent_without_an_alert(organization_a, alice, channel, send, tenant):
    from apps.alerts.services.notifications.channels import channel_test

    with tenant(organization_a):
        channel_test(channel)
    assert send() == 1
    assert mail.outbox[0].subject == "[URFMP] Test of the channel Admins"
    with tenant(organization_a):
        assert Delivery.objects.get().state == "delivered"


BERLIN = ZoneInfo("Europe/Berlin")
CLOCKS = st.times().map(lambda clock: clock.replace(second=0, microsecond=0))
MOMENTS = st.datetimes(
    datetime.fromisoformat("2026-01-01"),
    datetime.fromisoformat("2027-01-01"),
    timezones=st.just(ZoneInfo("UTC")),
)


def _within(clock: time, start: time, end: time) -> bool:
    return start <= clock < end if start < end else clock >= start or clock < end


@given(CLOCKS, CLOCKS, MOMENTS)
def test_quiet_end_is_the_next_end_while_quiet(start, end, moment):
    found = quiet_end(start, end, moment, BERLIN)
    clock = moment.astimezone(BERLIN).time()
    assert (found is not None) == _within(clock, start, end)
    if found is not None:
        assert moment < found <= moment + timedelta(hours=25)


@given(CLOCKS, CLOCKS, MOMENTS)
def test_working_hours_of_every_day_are_those_of_the_clock(start, end, moment):
    from apps.organizations.models.settings import WEEKDAYS

    hours = dict.fromkeys(WEEKDAYS, WorkingHours(start, end))
    clock = moment.astimezone(BERLIN).time()
    assert is_working_time(hours, moment, BERLIN) == _within(clock, start, end)


def test_working_hours_of_a_night_shift_end_on_the_next_day():
    hours = {"friday": WorkingHours(time(22), time(6))}
    for text, expected in (
        ("2026-06-05 21:59", False),
        ("2026-06-05 22:00", True),
        ("2026-06-06 05:59", True),
        ("2026-06-06 06:00", False),
        ("2026-06-06 22:30", False),
    ):
        moment = datetime.fromisoformat(text).replace(tzinfo=BERLIN)
        assert is_working_time(hours, moment, BERLIN) is expected
