"""Compressed bodies, and bodies with one point per line."""

from __future__ import annotations

import gzip
import json
import sys
import time
import tracemalloc
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apps.telemetry.models import RobotTelemetry

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PACKERS = {"gzip": gzip.compress, "x-gzip": gzip.compress, "zstd": zstd.compress}
JSON, NDJSON, LINES = "application/json", "application/x-ndjson", "text/plain"
PATHS = [("/api/v1/telemetry", JSON), ("/api/v2/write", LINES), ("/write", LINES)]
MEGABYTE = 1024 * 1024


@pytest.fixture
def robot(organization_a, make_robot):
    return make_robot(organization_a, serial_number="SN-1")


@pytest.fixture
def post(organization_a, make_key, robot):
    key = make_key(organization_a)

    def send(path, body, content_type, encoding=None):
        headers = {"x-api-key": key} | ({"content-encoding": encoding} if encoding else {})
        return Client(raise_request_exception=False).post(
            path, body, content_type=content_type, headers=headers
        )

    return send


def point(value=1.0, **changes):
    time = (timezone.now() - timedelta(minutes=1)).isoformat()
    one = {"serial_number": "SN-1", "metric_name": "m.v", "time": time, "value": value}
    return {**one, **changes}


def body_for(content_type):
    if content_type == LINES:
        return b"m,robot=SN-1 v=1"
    return json.dumps({"points": [point()]}).encode()


@pytest.mark.parametrize("encoding", [*PACKERS, "identity", "GZIP"])
@pytest.mark.parametrize(("path", "content_type"), PATHS)
def test_ingest_compressed_body_is_stored(
    path, content_type, encoding, post, tenant, organization_a
):
    pack = PACKERS.get(encoding.lower(), bytes)
    response = post(path, pack(body_for(content_type)), content_type, encoding)
    assert response.status_code in {200, 204}, response.content
    with tenant(organization_a):
        assert RobotTelemetry.objects.count() == 1


def test_read_body_joins_several_members(post):
    halves = [b"m,robot=SN-1 v=1\n", b"m,robot=SN-1 w=1\n"]
    for encoding in ("gzip", "zstd"):
        body = b"".join(PACKERS[encoding](half) for half in halves)
        assert post("/api/v2/write", body, LINES, encoding).status_code == 204


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
@pytest.mark.parametrize(("path", "content_type"), PATHS)
def test_ingest_decompression_bomb_gets_413(path, content_type, encoding, post):
    bomb = PACKERS[encoding](bytes(200 * MEGABYTE))
    assert len(bomb) < MEGABYTE
    tracemalloc.start()
    try:
        response = post(path, bomb, content_type, encoding)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert response.status_code == 413
    assert peak < 60 * MEGABYTE


@pytest.mark.parametrize(
    ("encoding", "part"),
    [
        ("gzip", gzip.compress(b"")),
        ("x-gzip", gzip.compress(b"\n")),
        ("zstd", zstd.compress(b"")),
        ("zstd", b"\x50\x2a\x4d\x18\0\0\0\0"),  # a skippable frame
    ],
    ids=["gzip", "x-gzip", "zstd", "zstd-skipped"],  # gzip writes the current time
)
def test_read_body_many_empty_parts_is_rejected(encoding, part, post):
    begin = time.process_time()
    response = post("/api/v1/telemetry", part * (8 * MEGABYTE // len(part)), JSON, encoding)
    assert time.process_time() - begin < 2
    assert (response.status_code, response.json()["code"]) == (400, "malformed")
    assert "Compress it as one" in response.json()["detail"]
    assert post("/write", part * 500, LINES, encoding).status_code == 204


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_ingest_body_of_8_mb_is_decompressed(encoding, post):
    packed = PACKERS[encoding]
    assert post("/write", packed(b"\n" * (8 * MEGABYTE)), LINES, encoding).status_code == 204
    assert post("/write", packed(b"\n" * (8 * MEGABYTE + 1)), LINES, encoding).status_code == 413


def test_ingest_zstd_window_too_large_is_rejected(post):
    options = {zstd.CompressionParameter.window_log: 27}
    packer = zstd.ZstdCompressor(options=options)
    packed = packer.compress(b"m,robot=SN-1 v=1") + packer.flush()
    response = post("/write", packed, LINES, "zstd")
    assert (response.status_code, response.json()["code"]) == (400, "invalid")


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
@pytest.mark.parametrize(("path", "content_type"), PATHS)
@pytest.mark.parametrize("spoil", [lambda b: b"x" + b, lambda b: b[:-3], lambda b: b + b"tail"])
def test_ingest_corrupt_body_gets_400(path, content_type, encoding, spoil, post):
    response = post(path, spoil(PACKERS[encoding](body_for(content_type))), content_type, encoding)
    assert response.status_code == 400, response.content


@pytest.mark.parametrize(("path", "content_type"), PATHS)
def test_ingest_unknown_encoding_gets_415(path, content_type, post):
    assert post(path, b"x", content_type, "br").status_code == 415
    assert post(path, b"x", content_type, "gzip, gzip").status_code == 415


@pytest.mark.parametrize(("path", "content_type"), PATHS)
def test_ingest_body_of_20_mb_gets_413(path, content_type, post):
    assert post(path, b" " * 20_000_000, content_type).status_code == 413


def test_ndjson_stores_one_point_per_line(post, tenant, organization_a):
    lines = [json.dumps(point(value, metric_name=f"m.v{value}")) for value in range(3)]
    body = "\n".join([lines[0], "", lines[1] + "\r", "  ", lines[2], ""])
    response = post("/api/v1/telemetry", body, f"{NDJSON}; charset=utf-8")
    assert response.status_code == 200, response.content
    assert response.json() == {"accepted": 3, "duplicate": 0, "rejected": []}
    assert post("/api/v1/telemetry", body, NDJSON).json()["duplicate"] == 3


def test_ndjson_invalid_line_rejects_only_itself(post):
    lines = [
        json.dumps(point(metric_name="a")),
        "not json",
        "[]",
        '{"points": []}',
        "\xff",
        json.dumps(point(value=None)),
        json.dumps(point(metric_name="BAD")),
        json.dumps(point()).replace("1.0", "NaN"),
        json.dumps(point(metric_name="b")),
    ]
    response = post("/api/v1/telemetry", "\n".join(lines).encode("latin-1"), NDJSON).json()
    assert response["accepted"] == 2
    assert [(item["index"], item["code"]) for item in response["rejected"]] == [
        (1, "invalid"),
        (2, "invalid"),
        (3, "invalid"),
        (4, "invalid"),
        (5, "invalid"),
        (6, "metric_name"),
        (7, "invalid"),
    ]


def test_ndjson_all_rejected_gets_422(post):
    response = post("/api/v1/telemetry", "not json", NDJSON)
    assert (response.status_code, response.json()["code"]) == (422, "nothing_stored")


def test_ndjson_10_001_lines_get_413(post):
    body = "\n".join([json.dumps(point())] * 10_001)
    response = post("/api/v1/telemetry", body, NDJSON)
    assert (response.status_code, response.json()["code"]) == (413, "too_many_points")


def test_ndjson_times_are_truncated_to_microseconds(post):
    base = (timezone.now() - timedelta(minutes=2)).strftime("%Y-%m-%dT%H:%M:")
    for digit, expected in (("7", "accepted"), ("9", "duplicate")):
        body = json.dumps(point(time=f"{base}01.123456{digit}Z"))
        assert post("/api/v1/telemetry", body, NDJSON).json()[expected] == 1
