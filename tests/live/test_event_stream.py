"""The event stream: events, denials, revocation and resuming."""

from __future__ import annotations

import time
import uuid
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from apps.accounts.models import ApiKey, UserSession
from apps.alerts.services.alerts import alert_acknowledge, alert_report
from apps.robots.models import Robot
from tests.live.conftest import REVOCATION_SECONDS
from urfmp.common.redis.events import Point, StatusEvent, TelemetryEvent, publish


def telemetry(robot, value=1.0, metric="temperature.ambient"):
    return TelemetryEvent(robot.id, [Point(metric, timezone.now(), value, "Cel")])


def test_stream_receives_published_events(live, alice, make_robot, client_for, organization_a):
    robot = make_robot(organization_a)
    stream = live.stream(client_for(alice), robot=robot.id)
    assert stream.response.getheader("Content-Type").startswith("text/event-stream")
    assert stream.response.getheader("Cache-Control") == "no-store"
    assert stream.response.getheader("X-Accel-Buffering") == "no"
    assert stream.welcome["subject"] == str(alice.id)

    publish(robot.organization_id, telemetry(robot, 21.5), StatusEvent(robot.id, "idle", "done"))

    point = stream.next_of("telemetry")["points"][0]
    assert (point["metric_name"], point["value"], point["unit"]) == (
        "temperature.ambient",
        21.5,
        "Cel",
    )


def test_status_event_has_reason(live, alice, make_robot, client_for, organization_a):
    robot = make_robot(organization_a)
    stream = live.stream(client_for(alice))
    publish(robot.organization_id, StatusEvent(robot.id, "stopped", "protective stop"))
    while (event := stream.next_of("status"))["status"] != "stopped":
        pass
    assert (event["robot_id"], event["reason"]) == (str(robot.id), "protective stop")


def test_other_organization_receives_no_events(
    live, alice, charlie, make_robot, client_for, organization_a, organization_b
):
    robot, foreign = make_robot(organization_a), make_robot(organization_b)
    stream = live.stream(client_for(charlie), robot=foreign.id)
    fleet = live.stream(client_for(charlie))
    for _ in range(3):
        publish(robot.organization_id, telemetry(robot), StatusEvent(robot.id, "error"))
    publish(foreign.organization_id, telemetry(foreign, 5.0))
    for each in (stream, fleet):
        events = [each.next_of("telemetry"), *each.all_within(0.3)]
        assert {event["robot_id"] for event in events} == {str(foreign.id)}


def test_other_organization_gets_404(live, alice, charlie, make_robot, client_for, organization_a):
    robot = make_robot(organization_a)
    foreign = live.stream(client_for(charlie), robot=robot.id)
    missing = live.stream(client_for(charlie), robot=uuid.uuid4())
    assert foreign.status == missing.status == 404
    assert foreign.problem == missing.problem


def test_stream_of_one_robot_excludes_others(live, alice, make_robot, client_for, organization_a):
    one, other = make_robot(organization_a), make_robot(organization_a)
    stream = live.stream(client_for(alice), robot=one.id)
    publish(one.organization_id, telemetry(other), telemetry(one))
    assert stream.next_of("telemetry")["robot_id"] == str(one.id)


def test_device_key_receives_only_its_robot(live, alice, make_robot, make_key, organization_a):
    one, other = make_robot(organization_a), make_robot(organization_a)
    key = make_key(organization_a, ["robots:read", "telemetry:read"], robot=one)
    stream = live.stream(key)
    publish(one.organization_id, telemetry(other), telemetry(one))
    assert stream.next_of("telemetry")["robot_id"] == str(one.id)
    assert live.stream(key, robot=other.id).status == 404


def test_key_without_scope_gets_403(live, alice, make_key, organization_a):
    assert live.stream(make_key(organization_a, ["robots:read"])).status == 403


@pytest.mark.parametrize(
    ("path", "headers", "method", "status", "code"),
    [
        ("/api/v1/events", {}, "GET", 401, "not_authenticated"),
        ("/api/v1/events", {"X-API-Key": "nonsense"}, "GET", 401, "invalid_key"),
        ("/api/v1/events", {"Cookie": "urfmp_session=x"}, "GET", 401, "not_authenticated"),
        ("/api/v1/events?robot=7", {"X-API-Key": "x"}, "GET", 400, "invalid"),
        ("/api/v1/events?robots=7", {"X-API-Key": "x"}, "GET", 400, "invalid"),
        (
            "/api/v1/events?" + "&".join(["p="] * 1100),
            {"X-API-Key": "x"},
            "GET",
            400,
            "malformed",
        ),
        ("/api/v1/events", {}, "POST", 405, "method_not_allowed"),
        ("/elsewhere", {}, "GET", 404, "not_found"),
    ],
)
def test_invalid_request_returns_problem_details(shared_live, path, headers, method, status, code):
    answered, given, problem = shared_live.get(path, headers, method)
    assert (answered, problem["code"]) == (status, code)
    assert given["content-type"] == "application/problem+json"
    assert given["x-request-id"]


def test_unknown_parameters_are_rejected(shared_live):
    """If it were ignored, `robots` for `robot` would open a stream of the whole fleet."""
    path = "/api/v1/events?robot=7&robots=7&last_event_id=x&page="
    _, _, problem = shared_live.get(path, {"X-API-Key": "x"})
    assert problem["errors"] == {
        "page": ["Unknown parameter."],
        "robots": ["Unknown parameter."],
    }
    _, _, problem = shared_live.get("/api/v1/events?robot=7", {"X-API-Key": "x"})
    assert set(problem["errors"]) == {"robot"}


def test_foreign_origin_with_session_gets_403(live, alice, client_for, make_key):
    browser = client_for(alice)
    for origin in ("http://evil.example", "null", settings.WEB_ORIGIN + ".evil.example"):
        foreign = live.stream(browser, {"Origin": origin})
        assert foreign.status == 403
    own = live.stream(browser, {"Origin": settings.WEB_ORIGIN})
    assert own.status == 200


def test_revoked_session_closes_its_streams(live, alice, client_for, tenant, organization_a):
    ended, kept = client_for(alice), client_for(alice)
    stream, other = live.stream(ended), live.stream(kept)
    with tenant(organization_a):
        newest = UserSession.objects.order_by("created_at").first()
        UserSession.objects.filter(pk=newest.pk).delete()
    began = time.monotonic()
    assert stream.next() is None
    assert time.monotonic() - began < REVOCATION_SECONDS
    assert other.is_silent(0.2)


def test_revoked_key_closes_its_streams(live, alice, make_key, tenant, organization_a):
    stream = live.stream(make_key(organization_a, ["robots:read", "telemetry:read"]))
    with tenant(organization_a):
        ApiKey.objects.update(is_active=False)
    assert stream.next(REVOCATION_SECONDS) is None


def test_expired_session_closes_its_streams(live, alice, client_for, tenant, organization_a):
    browser = client_for(alice)
    with tenant(organization_a):
        UserSession.objects.update(expires_at=timezone.now() + timedelta(seconds=3))
    assert live.stream(browser).next(3 + REVOCATION_SECONDS) is None


def test_stream_resumes_after_last_event_id(live, alice, make_robot, client_for, organization_a):
    robot, browser = make_robot(organization_a), client_for(alice)
    first = live.stream(browser, robot=robot.id)
    publish(robot.organization_id, telemetry(robot, 1.0))
    assert first.next_of("telemetry")["points"][0]["value"] == 1.0
    first.close()
    publish(robot.organization_id, telemetry(robot, 2.0))
    time.sleep(0.3)
    for ways in ({"headers": {"Last-Event-ID": first.last_id}}, {"last_event_id": first.last_id}):
        again = live.stream(browser, robot=robot.id, **ways)
        assert again.next_of("telemetry")["points"][0]["value"] == 2.0
        assert again.is_silent(0.2)


@pytest.mark.parametrize("last", ["nonsense", "0123456789ab-5", "x-" + "9" * 40])
def test_unknown_last_event_id_returns_reset(live, alice, client_for, last):
    assert live.stream(client_for(alice), {"Last-Event-ID": last}).next()["type"] == "reset"


def test_fleet_stream_is_throttled(live, alice, make_robot, client_for, organization_a):
    robot = make_robot(organization_a)
    fleet = live.stream(client_for(alice))
    began = time.monotonic()
    for number in range(60):
        publish(robot.organization_id, telemetry(robot, float(number)))
        time.sleep(0.02)
    values: list[float] = []
    while 59.0 not in values:
        values.append(fleet.next_of("telemetry")["points"][0]["value"])
    assert 2 <= len(values) <= 2 + (time.monotonic() - began)
    assert fleet.is_silent(1.2)


def test_stream_over_limit_of_session_gets_429(live, alice, client_for):
    browser = client_for(alice)
    streams = [live.stream(browser) for _ in range(21)]
    assert [stream.status for stream in streams] == [200] * 20 + [429]
    assert streams[-1].response.getheader("Retry-After")


def test_stream_counts_toward_rate_limit_of_key(live, make_key, organization_a):
    key = make_key(organization_a, ["robots:read", "telemetry:read"], rate_limit=2)
    streams = [live.stream(key) for _ in range(3)]
    assert [stream.status for stream in streams] == [200, 200, 429]
    rest = [stream.response.getheader("RateLimit-Remaining") for stream in streams]
    assert rest == ["1", "0", "0"]
    assert streams[-1].problem["code"] == "rate_limited"
    assert 0 < int(streams[-1].response.getheader("Retry-After")) <= 60


def test_new_stream_starts_with_recent_statuses(
    live, alice, make_robot, client_for, tenant, organization_a
):
    robot = make_robot(organization_a)
    with tenant(organization_a):
        Robot.objects.filter(pk=robot.pk).update(status="error")
    event = live.stream(client_for(alice)).next_of("status")
    assert (event["robot_id"], event["status"]) == (str(robot.id), "error")


def report(organization, tenant, **fields):
    values = {"type": "system", "severity": "critical", "title": "Hot", "message": "m", **fields}
    with tenant(organization):
        return alert_report(organization_id=organization.id, **values).alert


def test_stream_receives_changes_of_alerts(
    live, alice, make_user, make_robot, client_for, organization_a, tenant
):
    robot, other = make_robot(organization_a), make_robot(organization_a)
    no_alerts = make_user(
        organization_a, role="custom", permissions=["robot.view", "telemetry.view"]
    )
    fleet, one = live.stream(client_for(alice)), live.stream(client_for(alice), robot=robot.id)
    denied = live.stream(client_for(no_alerts))
    alert = report(organization_a, tenant, robot=robot)
    for stream in (fleet, one):
        event = stream.next_of("alert")
        assert (event["alert_id"], event["kind"]) == (str(alert.pk), "opened")
        assert (event["severity"], event["title"]) == ("critical", "Hot")
    with tenant(organization_a):
        alert_acknowledge(alert, alice)
    assert fleet.next_of("alert")["kind"] == one.next_of("alert")["kind"] == "acknowledged"
    report(organization_a, tenant, robot=other, title="Cold")
    report(organization_a, tenant, title="No robot")
    assert fleet.next_of("alert")["title"] == "Cold"
    assert fleet.next_of("alert")["robot_id"] is None
    publish(robot.organization_id, StatusEvent(robot.id, "stopped", "the last event"))
    for stream in (one, denied):
        while (event := stream.next())["type"] != "status" or event["status"] != "stopped":
            assert event["type"] != "alert"


def test_alert_reaches_stream_without_redis(start_live, alice, client_for, organization_a, tenant):
    """The database is polled: each change is sent once."""
    live = start_live(REDIS_URL="redis://127.0.0.1:1/0")
    stream = live.stream(client_for(alice))
    report(organization_a, tenant)
    assert stream.next_of("alert")["title"] == "Hot"
    again = [event for event in stream.all_within(3.0) if event.get("type") == "alert"]
    assert not again
