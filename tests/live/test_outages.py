"""Streams while Redis, the database or a client fails."""

from __future__ import annotations

import signal
import socket
import time

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from apps.robots.models import Robot
from tests.live.conftest import GRACE_SECONDS, free_port
from urfmp.common.redis.events import Point, StatusEvent, TelemetryEvent, publish
from urfmp.common.tenancy.context import tenant_transaction


def store(robot, value: float) -> None:
    """Store a point as ingest does, without publishing it."""
    with tenant_transaction(robot.organization_id), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO robot_telemetry (time, robot_id, metric_name, value, unit)"
            " VALUES (%s, %s, 'temperature.ambient', %s, 'Cel')",
            [timezone.now(), robot.id, value],
        )


def mark_seen(organization, robot, tenant, **fields) -> None:
    with tenant(organization):
        Robot.objects.filter(pk=robot.pk).update(last_seen=timezone.now(), **fields)


def next_value(stream) -> float:
    return stream.next_of("telemetry")["points"][0]["value"]


def test_stream_without_redis_polls_database(
    start_live, alice, charlie, make_robot, client_for, tenant, organization_a, organization_b
):
    live = start_live(REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    robot, foreign = make_robot(organization_a), make_robot(organization_b)
    mark_seen(organization_a, robot, tenant)
    mark_seen(organization_b, foreign, tenant)
    fleet, one = live.stream(client_for(alice)), live.stream(client_for(alice), robot=robot.id)
    for value in (1.0, 2.0):
        store(robot, value)
        store(foreign, 99.0)
        for stream in (fleet, one):
            assert next_value(stream) == value
    mark_seen(organization_a, robot, tenant, status="error")
    for stream in (fleet, one):
        while (event := stream.next_of("status"))["status"] != "error":
            pass
        assert event["robot_id"] == str(robot.id)


@pytest.mark.parametrize("outage", ["shut", "hang"])
def test_stream_survives_redis_outage(
    start_live, redis_relay, alice, make_robot, client_for, tenant, outage, organization_a
):
    relay, address = redis_relay
    live = start_live(REDIS_URL=address)
    robot = make_robot(organization_a)
    mark_seen(organization_a, robot, tenant)
    stream = live.stream(client_for(alice), robot=robot.id)
    event = TelemetryEvent(robot.id, [Point("temperature.ambient", timezone.now(), 1.0, "Cel")])
    publish(robot.organization_id, event)
    assert next_value(stream) == 1.0

    getattr(relay, outage)()
    store(robot, 2.0)
    assert next_value(stream) == 2.0

    if outage == "hang":
        relay.shut()
    relay.open()
    for _ in range(80):
        publish(robot.organization_id, StatusEvent(robot.id, "idle", "back"))
        if "back" in {event.get("reason") for event in stream.all_within(0.25)}:
            break
    else:
        pytest.fail("no event arrives through Redis")


def test_stream_survives_terminated_database_connections(
    live, alice, make_robot, client_for, owner_cursor, organization_a
):
    robot = make_robot(organization_a)
    stream = live.stream(client_for(alice), robot=robot.id)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND usename = current_user"
        )
        assert cursor.fetchone()[0] > 0
    time.sleep(1)
    publish(robot.organization_id, StatusEvent(robot.id, "idle", "still here"))
    while stream.next_of("status").get("reason") != "still here":
        pass
    assert live.get("/healthz")[0] == 200


def test_request_without_database_returns_503_with_retry_after(start_live):
    live = start_live(DATABASE_URL=f"postgresql://urfmp_app@127.0.0.1:{free_port()}/urfmp")
    for path, headers in (("/healthz", {}), ("/api/v1/events", {"Cookie": "urfmp_session=x"})):
        status, given, problem = live.get(path, headers)
        assert (status, problem["code"]) == (503, "unavailable")
        assert given["retry-after"]


@pytest.fixture
def request_socket():
    with socket.socket() as link:
        yield link


def test_slow_client_memory_is_bounded(
    live, alice, make_robot, client_for, organization_a, request_socket
):
    robot, browser = make_robot(organization_a), client_for(alice)
    token = browser.cookies[settings.SESSION_COOKIE_NAME].value
    slow = request_socket
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect(("127.0.0.1", live.port))
    slow.sendall(
        f"GET /api/v1/events?robot={robot.id} HTTP/1.1\r\nHost: live\r\n"
        f"Cookie: {settings.SESSION_COOKIE_NAME}={token}\r\n\r\n".encode()
    )
    quick = live.stream(browser, robot=robot.id)
    before = memory(live.process.pid)
    names = [f"custom.{number:093}" for number in range(6000)]
    for round_ in range(8):
        now = timezone.now()
        points = [Point(name, now, float(round_), "Cel") for name in names]
        publish(robot.organization_id, TelemetryEvent(robot.id, points))
        time.sleep(0.21)
    publish(robot.organization_id, StatusEvent(robot.id, "error", "latest"))
    while quick.next_of("status").get("reason") != "latest":
        pass
    assert memory(live.process.pid) - before < 60_000
    data = b""
    slow.settimeout(20)
    while b'"latest"' not in data[-100_000:]:
        data += slow.recv(65536)
    assert data.count(b'"type":"telemetry"') < 8


def memory(pid: int) -> int:
    """Return a process's resident memory in KiB."""
    with open(f"/proc/{pid}/status") as file:  # noqa: PTH123 - a file of the kernel
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def test_sigterm_closes_streams_immediately(start_live, alice, client_for):
    live = start_live()
    stream = live.stream(client_for(alice))
    began = time.monotonic()
    live.process.send_signal(signal.SIGTERM)
    assert stream.next() is None
    live.process.wait(timeout=GRACE_SECONDS)
    # Without waiting for the graceful shutdown timeout.
    assert time.monotonic() - began < GRACE_SECONDS / 2
