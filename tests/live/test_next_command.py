"""The hand-over of commands to robots that wait at the live process."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts.models import ApiKey
from apps.robots.choices import CommandStatus
from tests.support.waiting_devices import NEXT_COMMAND, Poll

pytestmark = pytest.mark.django_db(transaction=True)


def test_pending_command_is_returned_at_once(live, device):
    command = device.command()
    status, body = Poll(live.port, device.key).end()
    assert status == 200
    assert body["id"] == str(command.pk)
    assert (body["type"], body["payload"]) == ("pause", {})
    assert 0 < body["acknowledge_in"] <= body["expires_in"]
    assert device.status_of(command) == CommandStatus.SENT
    assert Poll(live.port, device.key, wait=0).end() == (204, None)


def test_waiting_robot_is_woken(live, device):
    poll = Poll(live.port, device.key)
    assert poll.is_waiting()
    command = device.command()
    created_at = time.monotonic()
    assert poll.end()[1]["id"] == str(command.pk)
    assert poll.ended_at - created_at < 3.0  # on a busy machine; the benchmark measures it


def test_scheduled_command_is_handed_over_when_due(live, device):
    command = device.command(scheduled_at=timezone.now() + timedelta(seconds=2))
    poll = Poll(live.port, device.key)
    assert poll.is_waiting(1.0)
    assert poll.end()[1]["id"] == str(command.pk)


def test_poll_ends_after_the_wait(live, device):
    started_at = time.monotonic()
    assert Poll(live.port, device.key, wait=1).end() == (204, None)
    assert time.monotonic() - started_at >= 1.0


@pytest.mark.parametrize("wait", ["31", "-1", "1.5", "x", "", "0030"])
def test_invalid_wait_is_rejected(live, device, wait):
    status, body = Poll(live.port, device.key, wait=wait).end()
    assert (status, body["code"]) == (400, "invalid")
    assert list(body["errors"]) == ["wait"]


def test_newer_poll_ends_the_older_one(live, device):
    older = Poll(live.port, device.key)
    assert older.is_waiting()
    newer = Poll(live.port, device.key)
    assert older.end() == (204, None)
    command = device.command()
    assert newer.end()[1]["id"] == str(command.pk)


def test_command_is_not_claimed_for_a_disconnected_robot(live, device):
    poll = Poll(live.port, device.key)
    assert poll.is_waiting()
    poll.connection.sock.shutdown(2)
    poll.connection.close()
    time.sleep(0.5)
    command = device.command()
    time.sleep(1.5)
    assert device.status_of(command) == CommandStatus.PENDING


def test_revoked_key_gets_no_command(live, device, organization_a, tenant):
    poll = Poll(live.port, device.key)
    assert poll.is_waiting()
    with tenant(organization_a):
        ApiKey.objects.update(is_active=False)
    command = device.command(type="stop")
    status, body = poll.end()
    assert (status, body["code"]) == (401, "invalid_key")
    assert device.status_of(command) == CommandStatus.PENDING


def test_key_without_robot_or_scope_is_denied(live, organization_a, make_key, make_device):
    fleet_key = make_key(organization_a, ["commands:write", "robots:command"])
    sensor = make_device(organization_a, scopes=["telemetry:write", "commands:read"])
    for key in (fleet_key, sensor.key):
        status, body = Poll(live.port, key, wait=0).end()
        assert (status, body["code"]) == (403, "permission_denied")
        assert "commands:write" in body["detail"]


def test_robots_that_poll_at_once_are_answered_each(
    live, organization_a, organization_b, make_device
):
    devices = [make_device(organization_a) for _ in range(4)] + [make_device(organization_b)]
    commands = [device.command() for device in devices[::2]]
    keys = [*(device.key for device in devices), "urfmp_x", devices[1].key.replace("_", "-")]
    answers = [poll.end() for poll in [Poll(live.port, key, wait=1) for key in keys]]
    assert [status for status, _ in answers] == [200, 204, 200, 204, 200, 401, 401]
    assert [body["id"] for _, body in answers[:5:2]] == [str(command.pk) for command in commands]


def test_robot_gets_no_command_of_another_robot(live, device, organization_b, make_device):
    command = device.command()
    other = make_device(organization_b)
    assert Poll(live.port, other.key, wait=1).end() == (204, None)
    assert device.status_of(command) == CommandStatus.PENDING


def test_two_processes_hand_a_command_over_once(live, start_live, device):
    other = start_live()
    polls = [Poll(live.port, device.key, wait=3), Poll(other.port, device.key, wait=3)]
    assert all(poll.is_waiting(0.2) for poll in polls)
    command = device.command()
    answers = sorted(poll.end() for poll in polls if poll.end())
    assert [status for status, _ in answers] == [200, 204]
    assert answers[0][1]["id"] == str(command.pk)


def test_command_arrives_without_redis(start_live, device):
    live = start_live(REDIS_URL="redis://127.0.0.1:1/0")
    poll = Poll(live.port, device.key)
    assert poll.is_waiting()
    command = device.command()
    assert poll.end()[1]["id"] == str(command.pk)


def test_spent_rate_limit_holds_no_command_back(live, organization_a, make_device):
    device = make_device(organization_a, rate_limit=1)
    for _ in range(3):
        assert Poll(live.port, device.key, wait=0).end() == (204, None)
    command = device.command()
    assert Poll(live.port, device.key, wait=0).end()[1]["id"] == str(command.pk)


def test_process_with_a_slow_clock_hands_over_nothing_expired(start_live, device):
    live = start_live(DJANGO_SETTINGS_MODULE="tests.support.slow_clock_settings")
    expired = device.command("start", lifetime=timedelta(seconds=1))
    time.sleep(1.1)
    assert Poll(live.port, device.key, wait=1).end() == (204, None)
    assert device.status_of(expired) == CommandStatus.PENDING
    command = device.command()
    body = Poll(live.port, device.key).end()[1]
    assert body["id"] == str(command.pk)
    assert 0 < body["acknowledge_in"] <= 10


def test_get_is_not_allowed(live, device):
    status, headers, _ = live.get(NEXT_COMMAND, {"Authorization": f"Bearer {device.key}"})
    assert (status, headers["allow"]) == (405, "OPTIONS, POST")


def test_stream_of_key_carries_commands_only_with_their_scope(
    live, device, organization_a, make_key
):
    scopes = ["robots:read", "telemetry:read"]
    without = live.stream(make_key(organization_a, scopes))
    reader = live.stream(make_key(organization_a, [*scopes, "commands:read"]))
    command = device.command()
    event = reader.next_of("command")
    assert (event["command_id"], event["status"]) == (str(command.pk), "pending")
    assert "command" not in {event.get("type") for event in without.all_within(1.0)}
