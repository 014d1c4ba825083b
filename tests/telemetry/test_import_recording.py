from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command

from apps.telemetry.models import RobotTelemetry

pytestmark = pytest.mark.django_db(transaction=True)
START = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)


@pytest.fixture
def command(organization_a, make_robot, tmp_path, capsys):
    robot = make_robot(organization_a, serial_number="W-1")

    def run(content, *arguments, robot_serial="W-1"):
        path = tmp_path / "run.csv"
        path.write_bytes(content)
        call_command(
            "import_recording", str(path), "--organization", organization_a.slug,
            "--robot", robot_serial, *arguments,
        )  # fmt: skip
        return capsys.readouterr()

    run.robot = robot
    return run


def stored(command, organization, tenant):
    with tenant(organization):
        rows = RobotTelemetry.objects.filter(robot_id=command.robot.pk)
        return list(
            rows.order_by("metric_name", "time").values_list("metric_name", "value", "unit")
        )


def test_command_imports_any_robot(command, organization_a, tenant):
    content = f"t,Ax 1,Ax 2\n{START.timestamp()},1,2\n{START.timestamp() + 1},3,x\n".encode()
    arguments = ("--map", "Ax 1=axis.one:rad", "--map", "Ax 2=axis.two", "--time-column", "t")
    output = command(gzip.compress(content), *arguments)
    assert "3 stored, 0 already stored, 1 rejected." in output.out
    assert "Row 3, Ax 2: 'x' is not a number." in output.err
    assert stored(command, organization_a, tenant) == [
        ("axis.one", 1.0, "rad"), ("axis.one", 3.0, "rad"), ("axis.two", 2.0, None),
    ]  # fmt: skip
    assert "0 stored, 3 already stored" in command(content, *arguments).out


def test_dry_run_stores_nothing(command, organization_a, tenant):
    output = command(f"time,actual_q_0\n{START.timestamp()},1\n".encode(), "--dry-run")
    assert "actual_q_0 -> joint.1.angle rad" in output.out
    assert stored(command, organization_a, tenant) == []


def test_start_moves_old_recording(command, organization_a, tenant):
    content = b"time,a\n17.5,1\n18.5,2\n"
    assert "2 stored" in command(content, "--start", START.isoformat()).out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--map", "b=x"), "The file has no column 'b'. Its columns are: time, a."),
        (("--map", "a"), "write it as COLUMN=METRIC"),
        (("--map", "a=X Y"), "A metric name must consist of"),
        (("--timezone", "Mars"), "is not a timezone"),
        (("--start", "2026-01-01T00:00"), "is not a time with an offset"),
        (("--organization", "nowhere"), "Organization 'nowhere' was not found"),
        (("--robot", "nothing"), "no robot with the serial number"),
    ],
)
def test_invalid_argument_shows_error(command, arguments, message):
    with pytest.raises(CommandError, match=message):
        command(f"time,a\n{START.timestamp()},1\n".encode(), *arguments)


def test_missing_file_shows_error(command, organization_a):
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        call_command(
            "import_recording", "/nowhere.csv", organization=organization_a.slug, robot="W-1"
        )
