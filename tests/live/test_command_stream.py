"""The stream on which robots receive their commands."""

from __future__ import annotations

import queue
import time

import pytest

from apps.accounts.models import ApiKey
from apps.robots.choices import CommandStatus
from apps.robots.models import RobotCommand
from apps.robots.services.commands.stop_requests import stop_requests_create
from tests.live.conftest import REVOCATION_SECONDS
from tests.support.waiting_devices import CommandStream, Poll
from urfmp.common.tenancy.context import tenant_transaction

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def open_stream(live):
    """Return a function that opens a stream, which is closed after the test."""
    streams = []

    def open_one(key, port=None, **options):
        streams.append(CommandStream(port or live.port, key, **options))
        return streams[-1]

    yield open_one
    for stream in streams:
        stream.close()


def test_stream_hands_over_what_waits_and_what_is_created(open_stream, device):
    waiting = device.command()
    stream = open_stream(device.key)
    first = stream.next_command()
    assert (first["id"], first["type"]) == (str(waiting.pk), "pause")
    assert 0 < first["acknowledge_in"] <= first["expires_in"]
    assert device.status_of(waiting) == CommandStatus.SENT
    device.acknowledge(waiting)
    created = device.command("stop")
    assert stream.next_command()["id"] == str(created.pk)


def test_next_command_follows_the_acknowledgement(open_stream, device):
    stream = open_stream(device.key)
    first, second = device.command(), device.command("stop")
    assert stream.next_command()["id"] == str(first.pk)
    assert stream.is_silent()
    assert device.status_of(second) == CommandStatus.PENDING
    device.acknowledge(first)
    acknowledged_at = time.monotonic()
    assert stream.next_command()["id"] == str(second.pk)
    assert time.monotonic() - acknowledged_at < 3.0  # woken, not polled


def test_stop_request_does_not_wait_for_an_acknowledgement(open_stream, device):
    stream = open_stream(device.key)
    device.command()
    stream.next_command()
    with tenant_transaction(device.robot.organization_id):
        stop_requests_create(robots=[device.robot], user=None)
    assert stream.next_command()["type"] == "emergency_stop"


def test_stream_without_acknowledgement_ends_before_the_next_command(open_stream, device):
    stream = open_stream(device.key)
    lost = device.command()
    stream.next_command()
    with tenant_transaction(device.robot.organization_id):
        RobotCommand.objects.filter(pk=lost.pk).update(status=CommandStatus.UNKNOWN)
    waiting = device.command("stop")
    assert stream.has_ended()
    assert device.status_of(waiting) == CommandStatus.PENDING
    assert open_stream(device.key).next_command()["id"] == str(waiting.pk)


def test_revoked_key_closes_its_idle_stream(open_stream, device, organization_a, tenant):
    stream = open_stream(device.key)
    with tenant(organization_a):
        ApiKey.objects.update(is_active=False)
    revoked_at = time.monotonic()
    command = device.command()
    assert stream.has_ended()
    assert stream.ended_at - revoked_at < REVOCATION_SECONDS
    assert device.status_of(command) == CommandStatus.PENDING


def test_newer_connection_of_the_robot_ends_the_stream(open_stream, live, device):
    older = open_stream(device.key)
    newer = open_stream(device.key)
    assert older.has_ended()
    poll = Poll(live.port, device.key)
    assert newer.has_ended()
    command = device.command()
    assert poll.end()[1]["id"] == str(command.pk)


def test_disconnected_robot_claims_nothing(open_stream, device):
    stream = open_stream(device.key)
    stream.close()
    time.sleep(0.5)
    command = device.command()
    time.sleep(1.5)
    assert device.status_of(command) == CommandStatus.PENDING


def test_two_processes_hand_a_command_over_once(open_stream, live, start_live, device):
    streams = [open_stream(device.key), open_stream(device.key, start_live().port)]
    command = device.command()
    received = []
    for stream in streams:
        try:
            received.append(stream.next_command(3)["id"])
        except queue.Empty:
            continue
    assert received == [str(command.pk)]


def test_head_does_not_claim(open_stream, device):
    stream = open_stream(device.key)
    command = device.command()
    assert stream.next_command()["id"] == str(command.pk)
    device.acknowledge(command)
    assert open_stream(device.key, method="HEAD").status == 200
    again = device.command()  # the stream is still open
    assert stream.next_command()["id"] == str(again.pk)


def test_invalid_requests_are_rejected(open_stream, device, organization_a, make_key, make_device):
    assert open_stream("urfmp_x").problem["code"] == "invalid_key"
    fleet_key = make_key(organization_a, ["commands:write", "robots:command"])
    sensor = make_device(organization_a, scopes=["telemetry:write", "commands:read"])
    for key in (fleet_key, sensor.key):
        stream = open_stream(key)
        assert (stream.status, stream.problem["code"]) == (403, "permission_denied")
    stream = open_stream(device.key, query="?wait=3")
    assert (stream.status, stream.problem["errors"]) == (400, {"wait": ["Unknown parameter."]})
    assert open_stream(device.key, method="POST").status == 405
