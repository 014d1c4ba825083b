"""Receivers of Prometheus and OpenTelemetry: responses, access, and real senders."""

from __future__ import annotations

import gzip
import http.server
import subprocess
import threading
from contextlib import contextmanager
from datetime import timedelta

import cramjam
import pytest
from django.test import Client
from django.utils import timezone
from google.protobuf import json_format
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExportResult
from opentelemetry.sdk.resources import Resource

from apps.telemetry.api import mapped_ingest
from apps.telemetry.exceptions import BusyError, OrganizationOverloadedError
from apps.telemetry.models import RobotTelemetry
from apps.telemetry.protocols.otlp.messages import Status
from apps.telemetry.services.telemetry import telemetry_ingest
from tests.support.alertmanager import wait_for
from tests.support.prometheus import prometheus_folder
from tests.telemetry.test_otlp_decoding import gauge, point, request
from tests.telemetry.test_remote_write_decoding import STALE, request_1, request_2
from urfmp.embedded.system.ports import HOST, free_ports
from urfmp.embedded.system.processes import clean_environment

WRITE, OTLP = "/prometheus/api/v1/write", "/otlp/v1/metrics"
PROTOBUF = "application/x-protobuf"
VERSION_2 = f"{PROTOBUF};proto=io.prometheus.write.v2.Request"


@pytest.fixture
def robot(organization_a, make_robot):
    return make_robot(organization_a, serial_number="SN-1")


@pytest.fixture
def key(organization_a, make_key):
    mapping = {"robot_tag": "robot", "dropped_tags": ["job", "instance"]}
    return make_key(organization_a, line_protocol_mapping=mapping)


@pytest.fixture
def stored(organization_a, tenant):
    def read():
        with tenant(organization_a):
            rows = RobotTelemetry.objects.values_list("metric_name", "value", "unit")
            return sorted(rows)

    return read


def now_ms():
    return round((timezone.now() - timedelta(minutes=1)).timestamp() * 1000)


def write(key, series, *, content_type=PROTOBUF, body=None, **headers):
    build = request_2 if content_type == VERSION_2 else request_1
    compressed = bytes(cramjam.snappy.compress_raw(build(series))) if body is None else body
    client = Client(
        headers={"authorization": f"Bearer {key}", "content-encoding": "snappy", **headers}
    )
    return client.post(WRITE, compressed, content_type)


def of(name, *samples, unit=None, **labels):
    return {"__name__": name, "robot": "SN-1", **labels}, unit, [*samples]


def otlp(key, document, *, is_json=True, **headers):
    message = json_format.ParseDict(
        document, ExportMetricsServiceRequest(), ignore_unknown_fields=True
    )
    body = json_format.MessageToJson(message).encode() if is_json else message.SerializeToString()
    client = Client(
        headers={"authorization": f"Bearer {key}", "content-encoding": "gzip", **headers}
    )
    return client.post(OTLP, gzip.compress(body), "application/json" if is_json else PROTOBUF)


@pytest.mark.parametrize("content_type", [PROTOBUF, VERSION_2])
def test_remote_write_stores_samples_once(robot, key, stored, content_type):
    at = now_ms()
    series = [of("temp", (at, 41.5), (at + 1, STALE), unit="Cel"), of("moves", (at, 7.0), axis="1")]
    for _ in range(2):
        answer = write(key, series, content_type=content_type)
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer["X-Prometheus-Remote-Write-Samples-Written"] == "2"
        assert answer["X-Dropped-Samples"] == "1"
    unit = "Cel" if content_type == VERSION_2 else None
    assert stored() == [("moves.axis.1", 7.0, None), ("temp", 41.5, unit)]


def test_remote_write_stores_good_samples_beside_bad_ones(robot, key, stored):
    at = now_ms()
    series = [
        of("temp", (at, 1.0)),
        of("temp", (at, 2.0), robot="SN-9"),
        of("temp", (at + 10**9, 3.0)),
        of("temp", (at + 1, float("inf"))),
    ]
    answer = write(key, series)
    assert answer.status_code == 400
    assert answer["X-Prometheus-Remote-Write-Samples-Written"] == "1"
    assert answer["Content-Type"].startswith("text/plain")
    text = answer.content.decode()
    assert text.startswith("3 of 4 values were not stored: temp: unknown_robot: Robot not found.")
    assert "clock_skew" in text
    assert stored() == [("temp", 1.0, None)]


@pytest.mark.parametrize(
    ("content_type", "body", "encoding", "status"),
    [
        ("application/json", b"", "snappy", 415),
        (f"{PROTOBUF};proto=io.prometheus.write.v3.Request", b"", "snappy", 415),
        (PROTOBUF, b"", "br", 415),
        (PROTOBUF, b"\xff\xff\xff\xff\xff\xff", "snappy", 413),
        (PROTOBUF, b"\x05abc", "snappy", 400),
        (PROTOBUF, bytes(cramjam.snappy.compress_raw(b"\xff\xff")), "snappy", 400),
        (PROTOBUF, bytes(cramjam.snappy.compress_raw(b"")), "snappy", 204),  # metadata alone
    ],
)
def test_remote_write_rejects_other_bodies(key, content_type, body, encoding, status):
    answer = write(key, [], content_type=content_type, body=body, **{"content-encoding": encoding})
    assert answer.status_code == status
    assert (status == 204) == (answer.content == b"")


@pytest.mark.parametrize("error", [BusyError, OrganizationOverloadedError])
def test_overload_is_sent_again_by_both_senders(robot, key, monkeypatch, error):
    def busy(**_):
        raise error

    monkeypatch.setattr("apps.telemetry.services.telemetry.telemetry_ingest", busy)
    answer = write(key, [of("temp", (now_ms(), 1.0))])
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    assert int(answer["Content-Length"]) == len(answer.content)
    answer = otlp(key, request(gauge("temp", point(asDouble=1.0))))
    assert answer.status_code == error.status
    assert answer["Retry-After"] == "1"
    assert answer.json()["message"]


def test_rate_limit_of_remote_write_is_503(robot, organization_a, make_key):
    key = make_key(organization_a, rate_limit=1)
    statuses = [write(key, [of("temp", (now_ms(), 1.0))]).status_code for _ in range(2)]
    assert statuses == [204, 503]


@pytest.mark.parametrize("is_json", [True, False])
def test_otlp_stores_data_points_and_reports_partial_success(robot, key, stored, is_json):
    nanos = str(now_ms() * 1_000_000)
    document = request(
        gauge("battery.charge", {"timeUnixNano": nanos, "asDouble": 0.5}, unit="1"),
        {
            "name": "moves",
            "sum": {
                "aggregationTemporality": "AGGREGATION_TEMPORALITY_DELTA",
                "dataPoints": [{"timeUnixNano": nanos, "asInt": "1"}],
            },
        },
        resource={"robot": {"stringValue": "SN-1"}}.items(),
    )
    answer = otlp(key, document, is_json=is_json)
    assert answer.status_code == 200
    response = ExportMetricsServiceResponse()
    if is_json:
        json_format.Parse(answer.content, response)
    else:
        assert answer["Content-Type"] == PROTOBUF
        response.ParseFromString(answer.content)
    assert response.partial_success.rejected_data_points == 1
    assert "elta" in response.partial_success.error_message
    assert stored() == [("battery.charge", 0.5, "1")]


def test_otlp_errors_are_status_messages(organization_a, make_key):
    assert otlp("no", request()).status_code == 401
    answer = otlp(make_key(organization_a, ["telemetry:read"]), request(), is_json=False)
    status = Status()
    status.ParseFromString(answer.content)
    assert (answer.status_code, status.code) == (403, 7)
    assert "telemetry:write" in status.message
    key = make_key(organization_a)
    client = Client(headers={"authorization": f"Bearer {key}"})
    assert client.post(OTLP, b"{", "application/json").status_code == 400
    assert client.post(OTLP, b"x", "text/plain").status_code == 415
    assert client.get(OTLP).status_code == 405


@pytest.mark.parametrize("path", [WRITE, OTLP])
def test_access_needs_key_with_scope(
    path, robot, organization_a, organization_b, make_key, alice, client_for
):
    assert Client().post(path, b"", PROTOBUF).status_code == 401
    assert client_for(alice).post(path, b"", PROTOBUF).status_code == 401
    key = make_key(organization_a, ["telemetry:read"])
    headers = {"x-api-key": key}
    assert Client(headers=headers).post(path, b"", PROTOBUF).status_code == 403
    other = make_key(organization_b)
    assert "unknown_robot" in write(other, [of("temp", (now_ms(), 1.0))]).content.decode()


def test_key_of_robot_may_leave_out_the_robot(robot, organization_a, make_key, stored):
    key = make_key(organization_a, robot=robot)
    assert write(key, [({"__name__": "temp"}, None, [(now_ms(), 1.0)])]).status_code == 204
    assert stored() == [("temp", 1.0, None)]


# Real senders


@pytest.mark.django_db(transaction=True)
def test_opentelemetry_exporter_sends_again_after_503(robot, key, stored, live_server, monkeypatch):
    attempts = []

    def busy_at_first(**given):
        attempts.append(1)
        if len(attempts) == 1:
            raise BusyError
        return telemetry_ingest(**given)

    monkeypatch.setattr("apps.telemetry.services.telemetry.telemetry_ingest", busy_at_first)
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], Resource({"robot": "SN-1"}))
    meter = provider.get_meter("test")
    meter.create_counter("moves", unit="{move}").add(3, {"axis": 1})
    meter.create_histogram("cycle.time", unit="s").record(2.5)
    exporter = OTLPMetricExporter(
        endpoint=f"{live_server.url}{OTLP}",
        headers={"authorization": f"Bearer {key}"},
        compression=Compression.Gzip,
        timeout=60,
    )
    assert exporter.export(reader.get_metrics_data()) is MetricExportResult.SUCCESS
    exporter.shutdown()
    provider.shutdown()
    assert len(attempts) == 2
    assert stored() == [
        ("cycle.time.count", 1.0, None),
        ("cycle.time.max", 2.5, "s"),
        ("cycle.time.min", 2.5, "s"),
        ("cycle.time.sum", 2.5, "s"),
        ("moves.axis.1", 3.0, "{move}"),
    ]


class Target(http.server.BaseHTTPRequestHandler):
    """A target that Prometheus scrapes."""

    def do_GET(self):
        body = b"# TYPE temperature_celsius gauge\ntemperature_celsius 41.5\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def prometheus(folder, url, key, target_port):
    configuration = folder / "prometheus.yml"
    configuration.write_text(f"""
global: {{scrape_interval: 1s, external_labels: {{robot: SN-1}}}}
scrape_configs:
- job_name: robots
  static_configs: [{{targets: ["{HOST}:{target_port}"]}}]
remote_write:
- url: {url}{WRITE}
  authorization: {{credentials: {key}}}
  write_relabel_configs:
  - {{source_labels: [__name__], regex: temperature_celsius, action: keep}}
  queue_config: {{batch_send_deadline: 1s, max_shards: 1}}
""")
    (port,) = free_ports(1)
    with (folder / "log").open("wb") as output:
        process = subprocess.Popen(
            [
                prometheus_folder() / "prometheus",
                f"--config.file={configuration}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={HOST}:{port}",
            ],
            cwd=folder,
            env=clean_environment({}),
            stderr=output,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.django_db(transaction=True)
def test_prometheus_sends_again_after_503_and_marks_stale_series(
    robot, key, stored, live_server, monkeypatch, tmp_path
):
    times, dropped = [], []

    def busy_at_first(**given):
        times.append([point.time for _, point in given["decode"]().points])
        if len(times) <= 2:
            raise BusyError
        return telemetry_ingest(**given)

    store = mapped_ingest.telemetry_ingest_in_parts

    def counted(*, batch, **given):
        dropped.append(batch.dropped)
        return store(batch=batch, **given)

    monkeypatch.setattr("apps.telemetry.services.telemetry.telemetry_ingest", busy_at_first)
    monkeypatch.setattr(mapped_ingest, "telemetry_ingest_in_parts", counted)
    with http.server.ThreadingHTTPServer((HOST, 0), Target) as target:
        threading.Thread(target=target.serve_forever, daemon=True).start()
        with prometheus(tmp_path, live_server.url, key, target.server_address[1]) as process:
            wait_for(lambda: len(stored()) >= 3 or process.poll() is not None, 60)
            target.shutdown()
            target.server_close()
            wait_for(lambda: any(dropped), 60)
        assert process.returncode in {0, -15}, (tmp_path / "log").read_text()
    assert times[0] == times[1] == times[2]  # the rejected request was sent again
    found = stored()
    assert {name for name, _, _ in found} == {"temperature_celsius"}
    assert len(found) == len({time for part in times for time in part})
