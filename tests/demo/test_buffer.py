"""The client's buffer on disk: it survives crashes, damage and a full disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from examples.robotclient.client import BufferInUse, DeliveryBuffer, RobotClient

ROOT = Path(__file__).resolve().parent.parent.parent
ENDLESS = """
import sys
from examples.robotclient.client import RobotClient
client = RobotClient("http://127.0.0.1:9", "key", buffer=sys.argv[1])
number = 0
while True:
    client.record("a", number)
    number += 1
    print(number, flush=True)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "robot.db"


def values(path):
    buffer = DeliveryBuffer(path, max_entries=1_000_000)
    found = [body["value"] for _, body in buffer.head(1_000_000)]
    buffer.close()
    return found


def test_entries_are_delivered_after_a_restart(path, platform):
    client = RobotClient("http://127.0.0.1:9", "key", buffer=path)
    for value in range(3):
        client.record("a", value)
    client.change_status("stopped")
    client.flush()
    client.close()
    client = RobotClient(platform.url, "key", buffer=path)
    client.record("a", 3)
    assert client.queue_length == 5
    assert client.flush().accepted == 4
    client.close()
    assert [point["value"] for point in platform.points()] == [0, 1, 2, 3]
    assert values(path) == []


def test_full_buffer_drops_the_oldest_and_counts_over_restarts(path):
    for start in (0, 5):
        client = RobotClient("http://127.0.0.1:9", "key", buffer=path, max_queue_length=3)
        for value in range(start, start + 5):
            client.record("a", value)
        client.close()
    assert values(path) == [7, 8, 9]
    client = RobotClient("http://127.0.0.1:9", "key", buffer=path)
    assert (client.dropped, client.queue_length) == (7, 3)
    client.close()


def test_second_process_cannot_use_the_file(path):
    client = RobotClient("http://127.0.0.1:9", "key", buffer=path)
    with pytest.raises(BufferInUse):
        RobotClient("http://127.0.0.1:9", "key", buffer=path)
    client.close()


def test_folder_that_does_not_exist_raises(tmp_path):
    with pytest.raises(OSError, match="cannot be used"):
        RobotClient("http://127.0.0.1:9", "key", buffer=tmp_path / "no" / "robot.db")


@pytest.mark.parametrize("kills", [int(os.environ.get("URFMP_BUFFER_KILLS", "3"))])
def test_killed_process_loses_nothing_that_was_recorded(path, kills):
    for _ in range(kills):
        process = subprocess.Popen(
            [sys.executable, "-c", ENDLESS, path],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        with process, process.stdout:
            recorded = 0
            while recorded < 300:
                recorded = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
            recorded = max([recorded, *map(int, process.stdout.read().split("\n")[:-1])])
        found = values(path)
        assert found[:recorded] == [float(number) for number in range(recorded)]
        assert len(found) in {recorded, recorded + 1}  # the last one was perhaps not announced
        path.unlink()


def test_torn_write_loses_only_the_last_entries(path):
    process = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, path], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    with process, process.stdout:
        while int(process.stdout.readline()) < 200:
            pass
        process.kill()
        process.stdout.read()
    log = path.with_name("robot.db-wal")
    content = log.read_bytes()
    log.write_bytes(content[: len(content) * 2 // 3] + os.urandom(100))
    found = values(path)
    assert found
    assert found == [float(number) for number in range(len(found))]


@pytest.mark.parametrize("damage", [b"", b"not a database, but longer than its head" * 20])
def test_damaged_file_is_kept_aside_and_replaced(path, damage, caplog):
    client = RobotClient("http://127.0.0.1:9", "key", buffer=path)
    for value in range(300):
        client.record("a", value)
    client.close()
    content = path.read_bytes()
    path.write_bytes((damage or os.urandom(512)) + content[512:])
    client = RobotClient("http://127.0.0.1:9", "key", buffer=path)
    client.record("a", 1)
    assert client.queue_length == 1
    client.close()
    assert path.with_name("robot.db.damaged").exists()
    assert "is damaged" in caplog.text


def test_rejected_points_are_logged_and_not_sent_again(path, platform, caplog):
    rejected = [{"index": 1, "code": "conflict", "detail": "Another value is stored."}]
    platform.answers = [(200, {}, {"accepted": 1, "duplicate": 0, "rejected": rejected})]
    client = RobotClient(platform.url, "key", buffer=path)
    client.record("a", 1)
    client.record("b", 2)
    assert client.flush().rejected == rejected
    assert client.queue_length == 0
    client.close()
    assert "'b'" in caplog.text
    assert "conflict" in caplog.text


@pytest.mark.parametrize("status", [404, 405])
def test_response_of_a_wrong_proxy_keeps_the_points(path, platform, status):
    platform.answers = [(status, {}, None)]
    client = RobotClient(platform.url, "key", buffer=path)
    client.record("a", 1)
    client.flush()
    assert (client.queue_length, client.pause_seconds > 0) == (1, True)
    client.close()


def test_number_that_json_does_not_have_is_not_recorded(path):
    client = RobotClient("http://127.0.0.1:9", "key", buffer=path)
    with pytest.raises(ValueError, match="JSON"):
        client.record("a", float("nan"))
    assert client.queue_length == 0
    client.close()


def test_full_disk_counts_as_dropped(path):
    client = RobotClient("http://127.0.0.1:9", "key", buffer=path)
    client.record("a", 0)
    pages = client._buffer._value("PRAGMA page_count")
    client._buffer._value(f"PRAGMA max_page_count = {pages}")
    for number in range(200):
        client.record("a", number, metadata={"text": "x" * 100})
    assert client.dropped + client.queue_length == 201
    assert client.dropped > 0
    assert json.dumps(client._buffer.head(1)[0][1])
    client.close()
