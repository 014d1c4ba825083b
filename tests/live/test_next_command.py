"""The hand-over of commands to robots that wait at the live process."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import ApiKey
from apps.robots.choices import CommandStatus
from apps.robots.models import RobotCommand
from apps.robots.services.commands.creation import command_create
from apps.robots.services.status import robot_report_status
from tests.live.conftest import Live
from urfmp.common.tenancy.context import tenant_transaction

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "/api/v1/device/commands/next"


class Poll:
    """One poll of a robot, which runs in a thread until it ends."""

    def __init__(self, live: Live, key: str, wait: Any = 20) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=40)
        self.connection.request(
            "POST", f"{PATH}?wait={wait}", headers={"Authorization": f"Bearer {key}"}
        )
        self.status = 0
        self.body: Any = None
        self.ended_at = 0.0
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException, AttributeError):
            response = self.connection.getresponse()
            content = response.read()
            self.body = json.loads(content) if content else None
            self.status = response.status
        self.ended_at = time.monotonic()

    def is_waiting(self, seconds: float = 0.5) -> bool:
        self._thread.join(seconds)
        return self._thread.is_alive()

    def end(self, seconds: float = 15.0) -> tuple[int, Any]:
        self._thread.join(seconds)
        assert not self._thread.is_alive(), "the poll still waits"
        self.connection.close()
        return self.status, self.body


class Device:
    """A robot with its key."""

    def __init__(self, robot: Any, key: str) -> None:
        self.robot, self.key = robot, key

    def command(self, type: str = "pause", **values: Any) -> RobotCommand:  # noqa: A002
        with tenant_transaction(self.robot.organization_id):
            return command_create(robot=self.robot, type=type, **values)

    def status_of(self, command: RobotCommand) -> str:
        with tenant_transaction(self.robot.organization_id):
            return RobotCommand.objects.get(pk=command.pk).status


@pytest.fixture
def make_device(make_robot, make_key, tenant):
    def make(organization: Any, scopes: Any = ("commands:write",), **options: Any) -> Device:
        robot = make_robot(organization)
        with tenant(organization):
            robot_report_status(robot_id=robot.pk, status="idle")
        return Device(robot, make_key(organization, list(scopes), robot=robot, **options))

    return make


@pytest.fixture
def device(organization_a, make_device) -> Device:
    return make_device(organization_a)


def test_pending_command_is_returned_at_once(live, device):
    command = device.command()
    status, body = Poll(live, device.key).end()
    assert status == 200
    assert body["id"] == str(command.pk)
    assert (body["type"], body["payload"]) == ("pause", {})
    assert 0 < body["acknowledge_in"] <= body["expires_in"]
    assert device.status_of(command) == CommandStatus.SENT
    assert Poll(live, device.key, wait=0).end() == (204, None)


def test_waiting_robot_is_woken(live, device):
    poll = Poll(live, device.key)
    assert poll.is_waiting()
    command = device.command()
    created_at = time.monotonic()
    assert poll.end()[1]["id"] == str(command.pk)
    assert poll.ended_at - created_at < 3.0  # on a busy machine; the benchmark measures it


def test_scheduled_command_is_handed_over_when_due(live, device):
    command = device.command(scheduled_at=timezone.now() + timedelta(seconds=2))
    poll = Poll(live, device.key)
    assert poll.is_waiting(1.0)
    assert poll.end()[1]["id"] == str(command.pk)


def test_poll_ends_after_the_wait(live, device):
    started_at = time.monotonic()
    assert Poll(live, device.key, wait=1).end() == (204, None)
    assert time.monotonic() - started_at >= 1.0


@pytest.mark.parametrize("wait", ["31", "-1", "1.5", "x", "", "0030"])
def test_invalid_wait_is_rejected(live, device, wait):
    status, body = Poll(live, device.key, wait=wait).end()
    assert (status, body["code"]) == (400, "invalid")
    assert list(body["errors"]) == ["wait"]


def test_newer_poll_ends_the_older_one(live, device):
    older = Poll(live, device.key)
    assert older.is_waiting()
    newer = Poll(live, device.key)
    assert older.end() == (204, None)
    command = device.command()
    assert newer.end()[1]["id"] == str(command.pk)


def test_command_is_not_claimed_for_a_disconnected_robot(live, device):
    poll = Poll(live, device.key)
    assert poll.is_waiting()
    poll.connection.sock.shutdown(2)
    poll.connection.close()
    time.sleep(0.5)
    command = device.command()
    time.sleep(1.5)
    assert device.status_of(command) == CommandStatus.PENDING


def test_revoked_key_gets_no_command(live, device, organization_a, tenant):
    poll = Poll(live, device.key)
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
        status, body = Poll(live, key, wait=0).end()
        assert (status, body["code"]) == (403, "permission_denied")
        assert "commands:write" in body["detail"]


def test_robot_gets_no_command_of_another_robot(live, device, organization_b, make_device):
    command = device.command()
    other = make_device(organization_b)
    assert Poll(live, other.key, wait=1).end() == (204, None)
    assert device.status_of(command) == CommandStatus.PENDING


def test_two_processes_hand_a_command_over_once(live, start_live, device):
    other = start_live()
    polls = [Poll(live, device.key, wait=3), Poll(other, device.key, wait=3)]
    assert all(poll.is_waiting(0.2) for poll in polls)
    command = device.command()
    answers = sorted(poll.end() for poll in polls if poll.end())
    assert [status for status, _ in answers] == [200, 204]
    assert answers[0][1]["id"] == str(command.pk)


def test_command_arrives_without_redis(start_live, device):
    live = start_live(REDIS_URL="redis://127.0.0.1:1/0")
    poll = Poll(live, device.key)
    assert poll.is_waiting()
    command = device.command()
    assert poll.end()[1]["id"] == str(command.pk)


def test_spent_rate_limit_holds_no_command_back(live, organization_a, make_device):
    device = make_device(organization_a, rate_limit=1)
    for _ in range(3):
        assert Poll(live, device.key, wait=0).end() == (204, None)
    command = device.command()
    assert Poll(live, device.key, wait=0).end()[1]["id"] == str(command.pk)


def test_get_is_not_allowed(live, device):
    status, headers, _ = live.get(PATH, {"Authorization": f"Bearer {device.key}"})
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
