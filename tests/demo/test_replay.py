"""Tests of `replay_recording` from end to end: real server, real tables."""

from __future__ import annotations

import os
from collections import defaultdict
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from apps.accounts.models import ApiKey
from apps.organizations.services.organizations import organization_create
from apps.robots.models import Robot, RobotStatusHistory
from examples.robotclient.recording import read_recording
from tests.demo.test_recording import HEADER, LINES, write
from urfmp.common.tenancy.context import tenant_transaction
from urfmp.demo.management.commands.replay_recording import KEY_NAME
from urfmp.demo.organization import DEMO_ORGANIZATION

pytestmark = pytest.mark.django_db(transaction=True)

SERIAL = "UR3-RECORDING-1"
SHARED = Path(os.environ.get("URFMP_SHARED", Path(__file__).parents[3] / "shared"))
RECORDING = SHARED / "data" / "ur3_cobotops_part1.csv.gz"


@pytest.fixture
def plant(transactional_db):
    return organization_create(name="Plant", slug=DEMO_ORGANIZATION)


def replay(path: Path, live_server, **options) -> str:
    output = StringIO()
    options = {"speed": 0.0, "url": live_server.url, **options}
    call_command("replay_recording", path, stdout=output, **options)
    return output.getvalue()


def stored(plant) -> dict[str, tuple[int, float]]:
    with tenant_transaction(plant.pk), connection.cursor() as cursor:
        cursor.execute(
            "SELECT metric_name, count(*), sum(value::numeric)::float8 FROM robot_telemetry"
            " WHERE robot_id IN (SELECT id FROM robots WHERE serial_number = %s) GROUP BY 1",
            [SERIAL],
        )
        return {name: (count, total) for name, count, total in cursor.fetchall()}


def test_replay_command_stores_recording_once(plant, live_server, tmp_path):
    path = write(tmp_path, HEADER + LINES, "small.csv.gz")
    start = datetime(2026, 1, 31, 8, tzinfo=UTC)
    assert "29 stored, 0 duplicate, 0 rejected; 3 status changes" in replay(
        path, live_server, start=start
    )
    with tenant_transaction(plant.pk):
        robot = Robot.objects.get(serial_number=SERIAL)
        assert (robot.vendor, robot.model) == ("universal_robots", "UR3")
        changes = RobotStatusHistory.objects.filter(robot=robot).order_by("time")[:3]
        # The recording is older than the registration, whose change follows.
        assert [(change.status, change.reason) for change in changes] == [
            ("running", None),
            ("stopped", "Protective stop"),
            ("running", None),
        ]
        assert changes[1].metadata["robot_time"].startswith("2026-01-31T08:00:02.010")
        key = ApiKey.objects.get(name=KEY_NAME)
        assert key.robot_id == robot.pk
        assert not key.is_active
    again = replay(path, live_server, start=start)
    assert "0 stored, 29 duplicate, 0 rejected; 0 status changes" in again
    assert "Nothing was stored" in again
    assert sum(count for count, _ in stored(plant).values()) == 29


def test_replay_command_future_start_fails(plant, live_server, tmp_path):
    path = write(tmp_path, HEADER + LINES)
    with pytest.raises(CommandError, match="future"):
        replay(path, live_server, start=datetime(2999, 1, 1, tzinfo=UTC))
    with tenant_transaction(plant.pk):
        assert not Robot.objects.exists()


def test_replay_command_without_demo_organization_fails(transactional_db, live_server, tmp_path):
    with pytest.raises(CommandError, match="load_demo_fleet"):
        replay(write(tmp_path, HEADER + LINES), live_server)


def test_replay_command_retired_robot_fails(plant, live_server, tmp_path, make_robot):
    make_robot(plant, serial_number=SERIAL, is_active=False)
    with pytest.raises(CommandError, match="retired"):
        replay(write(tmp_path, HEADER + LINES), live_server)
    with tenant_transaction(plant.pk):
        assert not ApiKey.objects.exists()


@pytest.mark.skipif(not RECORDING.exists(), reason=f"{RECORDING} not found; set URFMP_SHARED")
def test_replay_command_real_recording_is_stored_completely(plant, live_server):
    expected: dict[str, list[float]] = defaultdict(list)
    for sample in read_recording(RECORDING):
        for name, value in sample.values.items():
            expected[name].append(value)
    output = replay(RECORDING, live_server)
    assert "109,547 stored, 0 duplicate, 0 rejected" in output
    found = stored(plant)
    assert len(found) == 22
    assert sum(count for count, _ in found.values()) == 109_547
    for name, values in expected.items():
        assert found[name][0] == len(values)
        assert found[name][1] == pytest.approx(sum(values), rel=1e-9, abs=1e-9)
