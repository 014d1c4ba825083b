from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from examples.robotclient.client import RobotClient
from examples.robotclient.recording import (
    RecordingError,
    RecordingSummary,
    read_recording,
    summarize_recording,
    time_shift,
)
from examples.robotclient.replay import Replay
from tests.demo.conftest import FakePlatform

HEADER = "Num,Timestamp,Current_J0,Temperature_T0,Temperature_J1,Speed_J5,Tool_current,cycle ,Robot_ProtectiveStop,grip_lost\n"  # noqa: E501
LINES = (
    "1,2022-10-26T08:17:21.847Z,0.5,27.875,29.5,-0.25,0.08,1,False,False\n"
    '2,"""2022-10-26T08:17:22.852Z""",,27.75,,0,0.5,1,,False\n'
    "3,2022-10-26T08:17:23.857Z,-1,28,29.5,0,0.1,2,True,False\n"
    "4,2022-10-26T08:17:24.860Z,-1,28,29.5,0,0.1,2,False,True\n"
)


def write(folder: Path, text: str, name: str = "small.csv") -> Path:
    path = folder / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["small.csv", "small.csv.gz"])
def test_read_recording_plain_and_gzip(tmp_path, name):
    samples = list(read_recording(write(tmp_path, HEADER + LINES, name)))
    assert samples[0].values == {
        "joint.1.current": 0.5,
        "temperature.motor.joint1": 27.875,
        "temperature.motor.joint2": 29.5,
        "joint.6.velocity": -0.25,
        "current.tool": 0.08,
        "cycle.count": 1,
        "safety.protective_stop": 0,
        "grip.lost": 0,
    }
    assert samples[1].time == datetime(2022, 10, 26, 8, 17, 22, 852000, tzinfo=UTC)
    assert "joint.1.current" not in samples[1].values
    assert [sample.is_stopped for sample in samples] == [False, None, True, False]


def test_summarize_recording_counts_samples_and_points(tmp_path):
    summary = summarize_recording(write(tmp_path, HEADER + LINES))
    assert (summary.samples, summary.points, summary.repeated) == (4, 29, 0)
    assert summary.last - summary.first == timedelta(seconds=3, milliseconds=13)


def test_summarize_recording_counts_repeated_times(tmp_path):
    again = LINES.splitlines(keepends=True)[0]
    assert summarize_recording(write(tmp_path, HEADER + LINES + again)).repeated == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "no column Timestamp"),
        ("Timestamp,b\n2022-10-26T08:17:21Z,2\n", "none of the known columns"),
        (HEADER, "no sample"),
        (HEADER + "1,2022-10-26T08:17:21Z,x,1,1,1,1,1,False,False\n", "line 2"),
        (HEADER + "1,2022-10-26T08:17:21Z,nan,1,1,1,1,1,False,False\n", "finite"),
        (HEADER + "1,2022-10-26T08:17:21Z,1,1,1,1,1,1,maybe,False\n", "maybe"),
        (HEADER + "1,yesterday,1,1,1,1,1,1,False,False\n", "line 2"),
        (HEADER + "1,2022-10-26T08:17:21Z\n", "2 cells"),
    ],
)
def test_summarize_recording_invalid_file_raises(tmp_path, text, message):
    with pytest.raises(RecordingError, match=message):
        summarize_recording(write(tmp_path, text))


def test_summarize_recording_unreadable_file_raises(tmp_path):
    with pytest.raises(RecordingError, match="cannot be read"):
        summarize_recording(tmp_path / "missing.csv")
    (tmp_path / "half.csv.gz").write_bytes(gzip.compress((HEADER + LINES * 50).encode())[:100])
    with pytest.raises(RecordingError, match="cannot be read"):
        summarize_recording(tmp_path / "half.csv.gz")


FIRST = datetime(2022, 10, 26, 8, tzinfo=UTC)
SUMMARY = RecordingSummary(FIRST, FIRST + timedelta(hours=1), FIRST, 3600, 79200, 0)
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_time_shift_speed_one_starts_now():
    assert SUMMARY.first + time_shift(SUMMARY, start=None, speed=1, now=NOW) == NOW


@pytest.mark.parametrize("speed", [0, 0.5, 60])
def test_time_shift_other_speed_ends_now(speed):
    assert SUMMARY.last + time_shift(SUMMARY, start=None, speed=speed, now=NOW) == NOW


@pytest.mark.parametrize("speed", [0, 1, 60])
def test_time_shift_start_is_first_sample(speed):
    start = NOW - timedelta(hours=1)
    assert SUMMARY.first + time_shift(SUMMARY, start=start, speed=speed, now=NOW) == start


@pytest.mark.parametrize("speed", [0, 1, 60])
def test_time_shift_future_raises(speed):
    with pytest.raises(RecordingError, match="future"):
        time_shift(SUMMARY, start=NOW - timedelta(minutes=59), speed=speed, now=NOW)


def replay(platform: FakePlatform, path: Path, **options):
    waits: list[float] = []
    client = RobotClient(platform.url, "key")
    options = {"shift": timedelta(days=1), "speed": 0, "wait": waits.append, **options}
    result = Replay(client, "UR3-1", **options).run(read_recording(path), lambda _: None)
    client.close()
    return result, waits


def test_replay_sends_points_and_protective_stops(tmp_path, platform):
    result, _ = replay(platform, write(tmp_path, HEADER + LINES))
    assert result.receipt.accepted == 29
    statuses = [body for path, body in platform.requests if path.endswith("device/status")]
    assert [(body["status"], body.get("reason")) for body in statuses] == [
        ("running", None),
        ("stopped", "Protective stop"),
        ("running", None),
    ]
    assert statuses[1]["time"] == "2022-10-27T08:17:23.857000Z"
    point = platform.points()[0]
    assert point == {
        "serial_number": "UR3-1",
        "metric_name": "joint.1.current",
        "time": "2022-10-27T08:17:21.847000Z",
        "value": 0.5,
        "unit": "A",
    }


def test_replay_duplicates_report_no_status(tmp_path, platform):
    platform.answers = [(200, {}, {"accepted": 0, "duplicate": 29, "rejected": []})]
    result, _ = replay(platform, write(tmp_path, HEADER + LINES))
    assert (result.receipt.duplicate, result.status_changes) == (29, 0)


def test_replay_after_interruption_reports_new_statuses(tmp_path, platform):
    # The first two samples have 13 points; only later points are new.
    platform.answers = [(200, {}, {"accepted": 16, "duplicate": 13, "rejected": []})]
    result, _ = replay(platform, write(tmp_path, HEADER + LINES))
    assert result.status_changes == 2


def test_replay_honours_retry_after(tmp_path, platform):
    platform.answers = [(503, {"Retry-After": "3"}, {}), (429, {"Retry-After": "9"}, {})]
    result, waits = replay(platform, write(tmp_path, HEADER + LINES))
    assert result.receipt.accepted == 29
    assert [round(seconds) for seconds in waits] == [3, 9]


def test_replay_keeps_speed(tmp_path, platform):
    _, waits = replay(platform, write(tmp_path, HEADER + LINES), speed=2)
    assert len(waits) == 3
    assert 0.9 < sum(waits[:2]) / 1.0 < 1.6


def test_replay_wait_true_interrupts(tmp_path, platform):
    result, _ = replay(platform, write(tmp_path, HEADER + LINES), speed=1, wait=lambda _: True)
    assert result.interrupted
    assert result.receipt.accepted == 8
