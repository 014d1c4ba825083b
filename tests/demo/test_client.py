from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from examples.robotclient import client as module
from examples.robotclient.client import Refused, RobotClient, retry_after_seconds, rfc3339
from tests.demo.conftest import FakePlatform


@pytest.fixture
def client(platform: FakePlatform) -> Iterator[RobotClient]:
    client = RobotClient(platform.url, "key")
    yield client
    client.close()


def test_points_and_statuses_keep_their_order(client, platform):
    client.record("a", 1)
    client.record("b", 2)
    client.change_status("stopped", reason="Protective stop")
    client.record("c", 3)
    receipt = client.flush()
    assert receipt.accepted == 3
    assert [path for path, _ in platform.requests] == [
        "/api/v1/telemetry",
        "/api/v1/device/status",
        "/api/v1/telemetry",
    ]
    assert [point["metric_name"] for point in platform.points()] == ["a", "b", "c"]
    assert platform.requests[1][1]["reason"] == "Protective stop"
    assert len(platform.connections) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_obeyed_and_nothing_is_lost(client, platform, status):
    platform.answers = [(status, {"Retry-After": "7"}, {"detail": "later"})]
    client.record("a", 1)
    assert client.flush().accepted == 0
    assert 6 < client.pause_seconds <= 7
    client.record("b", 2)
    assert client.flush().accepted == 0  # not even tried
    assert client.waiting == 2
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        client._not_before = 0.0

    assert client.drain(wait).accepted == 2
    assert 6 < waits[0] <= 7
    assert [point["metric_name"] for point in platform.points()] == ["a", "b"]


def test_buffers_while_the_server_is_away(platform):
    client = RobotClient("http://127.0.0.1:9", "key")
    for value in range(5):
        client.record("a", value)
        client.flush()
    assert client.waiting == 5
    assert 0 < client.pause_seconds <= 1


def test_drops_the_oldest_when_the_queue_is_full():
    client = RobotClient("http://127.0.0.1:9", "key", queue_limit=3)
    for value in range(5):
        client.record("a", value)
    assert client.dropped == 2
    assert client.waiting == 3


def test_wrong_key_keeps_everything(client, platform):
    platform.answers = [(401, {}, {"code": "not_authenticated", "detail": "no"})]
    client.record("a", 1)
    with pytest.raises(Refused, match="not_authenticated"):
        client.flush()
    assert client.waiting == 1
    assert client.flush().accepted == 1


def test_nothing_good_is_reported_and_given_up(client, platform):
    rejected = [{"index": 0, "code": "unknown_robot", "detail": "There is no such robot."}]
    platform.answers = [(422, {}, {"accepted": 0, "duplicate": 0, "rejected": rejected})]
    client.record("a", 1)
    assert client.flush().rejected == rejected
    assert client.waiting == 0


def test_too_large_is_halved(client, platform, monkeypatch):
    monkeypatch.setattr(module, "MAX_BODY_BYTES", 400)
    for value in range(20):
        client.record("a", value)
    assert client.flush().accepted == 20
    assert len(platform.requests) > 3
    assert [point["value"] for point in platform.points()] == list(range(20))


def test_refused_status_does_not_block_points(client, platform):
    platform.answers = [(400, {}, {"code": "invalid", "detail": "no such status"})]
    client.change_status("dancing")
    client.record("a", 1)
    receipt = client.flush()
    assert receipt.accepted == 1
    assert "no such status" in receipt.refused_status[0]


def test_not_a_finite_number_never_leaves(client):
    with pytest.raises(ValueError, match="JSON"):
        client.post_telemetry([{"value": float("nan")}])


def test_reads_retry_after_in_both_forms():
    assert retry_after_seconds("2") == 2
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 27 < retry_after_seconds(later) <= 30
    assert retry_after_seconds("soon") is None
    assert retry_after_seconds(None) is None


def test_writes_utc_with_microseconds():
    moment = datetime.fromisoformat("2026-01-31T09:00:00.5+01:00")
    assert rfc3339(moment) == "2026-01-31T08:00:00.500000Z"
    with pytest.raises(ValueError, match="timezone"):
        rfc3339(moment.replace(tzinfo=None))


def test_refuses_what_is_no_address():
    with pytest.raises(ValueError, match="address"):
        RobotClient("ftp://somewhere", "key")
