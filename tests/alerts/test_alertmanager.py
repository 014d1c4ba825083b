"""The webhook of Alertmanager: alerts that it opens, updates and resolves."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.alerts.models import Alert, AlertEvent
from apps.alerts.protocols.alertmanager import ReceivedAlert
from apps.alerts.services.alertmanager import alertmanager_receive
from apps.alerts.services.alerts import alert_resolve
from apps.audit.models import AuditLog

pytestmark = pytest.mark.django_db
PATH = "/api/v1/alertmanager"
JSON = "application/json"
START = datetime(2026, 1, 31, 12, tzinfo=UTC)


def one(status="firing", *, begins=0, ends=0, fingerprint="c1f3", **labels):
    """Return an alert as Alertmanager 0.28 sends it."""
    return {
        "status": status,
        "labels": {"alertname": "DiskFull", "severity": "critical", **labels},
        "annotations": {"summary": "Disk", "description": "97 % full."},
        "startsAt": (START + timedelta(minutes=begins)).strftime("%Y-%m-%dT%H:%M:%S.123456789Z"),
        "endsAt": "0001-01-01T00:00:00Z"
        if status == "firing"
        else (START + timedelta(minutes=ends)).strftime("%Y-%m-%dT%H:%M:%S.123Z"),
        "generatorURL": "http://prometheus/graph?g0.expr=1",
        "fingerprint": fingerprint,
    }


def body(*alerts):
    return {
        "receiver": "urfmp",
        "status": "firing",
        "alerts": list(alerts),
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager",
        "version": "4",
        "groupKey": "{}:{}",
        "truncatedAlerts": 0,
    }


@pytest.fixture
def call(organization_a, make_key):
    scopes = ["alerts:write", "robots:read"]
    client = Client(headers={"authorization": f"Bearer {make_key(organization_a, scopes)}"})
    return lambda *alerts: client.post(PATH, body(*alerts), content_type=JSON)


@pytest.fixture
def alerts(organization_a, tenant):
    def read():
        with tenant(organization_a):
            return list(Alert.objects.order_by("created_at").select_related("robot"))

    return read


def test_alert_is_opened_updated_and_resolved(call, alerts, organization_a, tenant):
    answer = call(one())
    assert answer.status_code == 200, answer.content
    assert answer.json() == {
        "opened": 1, "repeated": 0, "updated": 0, "resolved": 0, "unchanged": 0
    }  # fmt: skip
    (alert,) = alerts()
    assert (alert.title, alert.message, alert.severity) == ("DiskFull", "97 % full.", "critical")
    assert (alert.key, alert.source, alert.type) == ("alertmanager:c1f3", "integration", "system")
    assert alert.started_at == datetime(2026, 1, 31, 12, 0, 0, 123456, UTC)
    changed = {**one(), "annotations": {"description": "99 % full."}}
    assert call(changed).json()["updated"] == 1
    assert call(changed).json()["unchanged"] == 1
    (alert,) = alerts()
    assert (alert.message, alert.occurrences) == ("99 % full.", 1)
    ended = one("resolved", ends=5)
    assert call(ended).json()["resolved"] == 1
    assert call(ended, changed).json()["unchanged"] == 2
    (alert,) = alerts()
    assert (alert.is_resolved, alert.is_acknowledged) == (True, False)
    assert call(one(begins=9)).json()["opened"] == 1
    assert len(alerts()) == 2
    with tenant(organization_a):
        actions = AuditLog.objects.filter(action="alerts.alert.receive")
        assert actions.exists()


def test_alert_that_a_user_resolved_stays_resolved_until_it_begins_again(
    call, alerts, organization_a, tenant
):
    call(one())
    with tenant(organization_a):
        alert_resolve(alerts()[0], None)
    assert call(one()).json()["unchanged"] == 1
    assert call(one(begins=1)).json()["opened"] == 1


def test_labels_name_the_robot_and_the_severity(
    call, alerts, organization_a, organization_b, make_robot
):
    robot, foreign = make_robot(organization_a), make_robot(organization_b)
    call(
        one(fingerprint="1", serial_number=robot.serial_number, severity="page"),
        one(fingerprint="2", robot_id=str(robot.pk), severity="warn"),
        one(fingerprint="3", robot_id=str(foreign.pk), severity="unheard"),
        one(fingerprint="4", robot_id="7", severity="none"),
    )
    found = {alert.key[-1]: (alert.robot, alert.severity) for alert in alerts()}
    assert found == {
        "1": (robot, "critical"),
        "2": (robot, "warning"),
        "3": (None, "warning"),
        "4": (None, "info"),
    }


def test_device_key_opens_alerts_of_its_robot_alone(
    organization_a, make_robot, make_key, alerts, call
):
    robot, other = make_robot(organization_a), make_robot(organization_a)
    call(one(serial_number=other.serial_number))
    key = make_key(organization_a, ["alerts:write"], robot=robot)
    client = Client(headers={"x-api-key": key})
    sent = body(one("resolved", ends=5), one(fingerprint="d2", serial_number=other.serial_number))
    answer = client.post(PATH, sent, content_type=JSON)
    assert (answer.json()["resolved"], answer.json()["opened"]) == (0, 1)
    assert {alert.robot for alert in alerts()} == {robot, other}


def test_texts_that_no_title_can_have_are_replaced(call, alerts):
    odd = one(alertname="\u202e\u200b", fingerprint="1")
    odd["annotations"] = {"description": "\u200b", "summary": "a\u202eb\nc"}
    plain = one(alertname="x" * 300, fingerprint="2")
    plain["annotations"] = {}
    assert call(odd, plain).json()["opened"] == 2
    first, second = sorted(alerts(), key=lambda alert: alert.key)
    assert (first.title, first.message) == ("Alert of Alertmanager", "a b\nc")
    assert (len(second.title), second.message[:20]) == (255, "Labels: alertname=xx")


@pytest.mark.parametrize(
    "change",
    [
        {"status": "gone"},
        {"labels": ["a"]},
        {"labels": {"alertname": 3.5, "x": {}}},
        {"labels": {f"l{number}": "x" for number in range(101)}},
        {"labels": {"alertname": "a\x00b"}},
        {"annotations": {"summary": "\ud800"}},
        {"startsAt": "yesterday"},
        {"startsAt": "2026-01-31T12:00:00"},
        {"startsAt": "0001-01-01T00:00:00+14:00"},
        {"startsAt": None},
        {"status": "resolved", "endsAt": "0001-01-01T00:00:00Z"},
        {"status": "resolved", "endsAt": None},
        {"fingerprint": "a b"},
        {"fingerprint": ""},
    ],
)
def test_invalid_alert_is_rejected_and_nothing_is_written(call, alerts, change):
    answer = call(one(), {**one(fingerprint="d2"), **change})
    assert answer.status_code == 400, answer.content
    assert answer["content-type"] == "application/problem+json"
    assert answer.json()["code"]
    assert alerts() == []


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b"{}", b'{"version": "3", "alerts": []}', b'{"version": "4"}']
)
def test_invalid_body_is_rejected(organization_a, make_key, content):
    client = Client(headers={"x-api-key": make_key(organization_a, ["alerts:write"])})
    answer = client.post(PATH, content, content_type=JSON)
    assert answer.status_code == 400
    assert answer["content-type"] == "application/problem+json"


def test_key_without_the_scope_is_rejected(organization_a, make_key):
    client = Client(headers={"x-api-key": make_key(organization_a, ["alerts:read"])})
    assert client.post(PATH, body(one()), content_type=JSON).status_code == 403
    assert Client().post(PATH, body(one()), content_type=JSON).status_code == 401


def test_other_organization_has_alerts_of_its_own(call, alerts, organization_b, make_key, tenant):
    call(one())
    client = Client(headers={"x-api-key": make_key(organization_b, ["alerts:write"])})
    answer = client.post(PATH, body(one("resolved", ends=3)), content_type=JSON)
    assert answer.json()["unchanged"] == 1
    assert not alerts()[0].is_resolved
    with tenant(organization_b):
        assert not Alert.objects.exists()


@dataclass
class Model:
    """What alerts exist after some requests, for one fingerprint: plain Python."""

    occurrences: list[dict] = field(default_factory=list)

    def receive(self, begins: int, ends: int | None) -> str:
        last = self.occurrences[-1] if self.occurrences else None
        is_open = last is not None and last["end"] is None and not last["by_user"]
        if ends is not None:
            if not is_open or ends < last["begin"]:
                return "unchanged"
            last["end"] = ends
            return "resolved"
        if is_open:
            if begins <= last["begin"]:
                return "unchanged"
            last |= {"begin": begins, "count": last["count"] + 1}
            return "repeated"
        if last is not None:
            is_known = begins <= last["begin"] if last["end"] is None else begins < last["end"]
            if is_known:
                return "unchanged"
        self.occurrences.append({"begin": begins, "end": None, "count": 1, "by_user": False})
        return "opened"

    def resolve_by_user(self) -> None:
        if self.occurrences and self.occurrences[-1]["end"] is None:
            self.occurrences[-1]["by_user"] = True


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 6), st.sampled_from([None, None, "user", 1, 2, 3])), max_size=12
    )
)
def test_requests_in_any_order_equal_the_model(organization_a, alice, tenant, steps):
    model = Model()
    with tenant(organization_a):
        Alert.objects.all().delete()
        for begins, length in steps:
            if length == "user":
                model.resolve_by_user()
                for alert in Alert.objects.filter(is_resolved=False):
                    alert_resolve(alert, None)
                continue
            ends = None if length is None else begins + length
            effect = model.receive(begins, ends)
            times = [None if n is None else START + timedelta(minutes=n) for n in (begins, ends)]
            sent = ReceivedAlert("f", {"alertname": "A"}, {}, times[0], times[1], "")
            counts = alertmanager_receive(
                organization_id=organization_a.id, principal=alice, alerts=[sent]
            )
            assert counts[effect] == 1, (effect, counts)
        rows = Alert.objects.order_by("created_at", "started_at")
        stored = [(row.occurrences, row.is_resolved) for row in rows]
        assert sorted(stored) == sorted(
            (one["count"], one["end"] is not None or one["by_user"]) for one in model.occurrences
        )
        assert AlertEvent.objects.filter(kind="opened").count() == len(model.occurrences)
