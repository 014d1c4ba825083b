from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from examples.robotclient import client as module
from examples.robotclient.client import (
    RequestRejected,
    RobotClient,
    ServerUnavailable,
    claim,
    retry_after_seconds,
    rfc3339,
)
from tests.demo.conftest import FakePlatform


@pytest.fixture
def client(platform: FakePlatform) -> Iterator[RobotClient]:
    client = RobotClient(platform.url, "key")
    yield client
    client.close()


def test_flush_keeps_order_of_points_and_statuses(client, platform):
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
def test_flush_honours_retry_after_without_loss(client, platform, status):
    platform.answers = [(status, {"Retry-After": "7"}, {"detail": "later"})]
    client.record("a", 1)
    assert client.flush().accepted == 0
    assert 6 < client.pause_seconds <= 7
    client.record("b", 2)
    assert client.flush().accepted == 0  # not even tried
    assert client.queue_length == 2
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        client._resume_at = 0.0

    assert client.drain(wait).accepted == 2
    assert 6 < waits[0] <= 7
    assert [point["metric_name"] for point in platform.points()] == ["a", "b"]


def test_flush_server_unavailable_keeps_queue(platform):
    client = RobotClient("http://127.0.0.1:9", "key")
    for value in range(5):
        client.record("a", value)
        client.flush()
    assert client.queue_length == 5
    assert 0 < client.pause_seconds <= 1


def test_record_full_queue_drops_oldest():
    client = RobotClient("http://127.0.0.1:9", "key", max_queue_length=3)
    for value in range(5):
        client.record("a", value)
    assert client.dropped == 2
    assert client.queue_length == 3


def test_flush_wrong_key_keeps_queue(client, platform):
    platform.answers = [(401, {}, {"code": "not_authenticated", "detail": "no"})]
    client.record("a", 1)
    with pytest.raises(RequestRejected, match="not_authenticated"):
        client.flush()
    assert client.queue_length == 1
    assert client.flush().accepted == 1


def test_flush_rejected_points_are_reported_and_removed(client, platform):
    rejected = [{"index": 0, "code": "unknown_robot", "detail": "This robot does not exist."}]
    platform.answers = [(422, {}, {"accepted": 0, "duplicate": 0, "rejected": rejected})]
    client.record("a", 1)
    assert client.flush().rejected == rejected
    assert client.queue_length == 0


def test_flush_too_large_batch_is_halved(client, platform, monkeypatch):
    monkeypatch.setattr(module, "MAX_BODY_BYTES", 400)
    for value in range(20):
        client.record("a", value)
    assert client.flush().accepted == 20
    assert len(platform.requests) > 3
    assert [point["value"] for point in platform.points()] == list(range(20))


def test_flush_rejected_status_does_not_block_points(client, platform):
    platform.answers = [(400, {}, {"code": "invalid", "detail": "no such status"})]
    client.change_status("dancing")
    client.record("a", 1)
    receipt = client.flush()
    assert receipt.accepted == 1
    assert "no such status" in receipt.rejected_statuses[0]


def test_post_telemetry_nan_is_not_sent(client):
    with pytest.raises(ValueError, match="JSON"):
        client.post_telemetry([{"value": float("nan")}])


def test_retry_after_seconds_parses_seconds_and_date():
    assert retry_after_seconds("2") == 2
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 27 < retry_after_seconds(later) <= 30
    assert retry_after_seconds("soon") is None
    assert retry_after_seconds(None) is None


def test_rfc3339_is_utc_with_microseconds():
    time = datetime.fromisoformat("2026-01-31T09:00:00.5+01:00")
    assert rfc3339(time) == "2026-01-31T08:00:00.500000Z"
    with pytest.raises(ValueError, match="timezone"):
        rfc3339(time.replace(tzinfo=None))


def test_client_invalid_url_raises():
    with pytest.raises(ValueError, match="address"):
        RobotClient("ftp://somewhere", "key")


def test_claim_stores_key_for_its_owner_alone(platform, tmp_path):
    platform.answers = [(201, {}, {"key": "urfmp_live_x", "robot_name": "R", "robot_id": "1"})]
    file = tmp_path / "robot.key"
    assert claim(platform.url, "7K3M", file) == "R"
    assert file.read_text() == "urfmp_live_x\n"
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):  # not even sent
        claim(platform.url, "7K3M", file)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((400, {}, {"code": "claim_refused", "detail": "no"}), RequestRejected),
        ((503, {"Retry-After": "1"}, {"detail": "later"}), ServerUnavailable),
    ],
)
def test_claim_refused_leaves_no_file(platform, tmp_path, answer, error):
    platform.answers = [answer]
    with pytest.raises(error):
        claim(platform.url, "7K3M", tmp_path / "robot.key")
    assert not list(tmp_path.iterdir())
