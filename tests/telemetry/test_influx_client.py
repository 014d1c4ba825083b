"""InfluxDB's own Python client writes to a real server, and its points are read exactly."""

from __future__ import annotations

import gc
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep

import pytest
from django.db import connection
from influxdb_client import InfluxDBClient, Point, WritePrecision
from influxdb_client.client.write_api import SYNCHRONOUS, WriteOptions
from influxdb_client.rest import ApiException

from apps.telemetry.exceptions import BusyError, OrganizationOverloadedError
from apps.telemetry.models import RobotTelemetry
from apps.telemetry.protocols.tag_mapping import metric_name_of
from apps.telemetry.services.telemetry import telemetry_ingest

pytestmark = pytest.mark.django_db(transaction=True)

COUNT = 500


@pytest.fixture
def client(live_server, organization_a, make_key, make_robot):
    make_robot(organization_a, serial_number="SN-1")
    key = make_key(organization_a)
    with InfluxDBClient(url=live_server.url, token=key, org="any", enable_gzip=True) as made:
        yield made
    # An error response keeps its connection open until it is garbage collected, and with it a
    # thread of the server and that thread's database connection.
    gc.collect()
    _wait_for_the_servers_threads()


def _wait_for_the_servers_threads():
    deadline = monotonic() + 60
    with connection.cursor() as cursor:
        while monotonic() < deadline:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
            if cursor.fetchone() == (0,):
                return
            sleep(0.05)


@pytest.fixture
def stored(tenant, organization_a):
    def read():
        with tenant(organization_a):
            rows = RobotTelemetry.objects.values_list("metric_name", "time", "value")
            return {(name, time): value for name, time, value in rows}

    return read


def points():
    start = datetime.now(UTC) - timedelta(hours=1)
    for number in range(COUNT):
        time = start + timedelta(milliseconds=250 * number, microseconds=number)
        axis = f"joint {number % 6}"
        yield axis, time, number / 7


def as_point(axis, time, value):
    made = Point("Motor").tag("robot", "SN-1").tag("axis", axis).field("Temp, Cel", value)
    # Nanoseconds: for other precisions the client divides a float, which may lose a microsecond.
    return made.field("warm", value > 40).field("n", int(value)).time(time, WritePrecision.NS)


def expected(sent):
    rows = {}
    for axis, time, value in sent:
        values = {"Temp, Cel": value, "warm": float(value > 40), "n": float(int(value))}
        for field, stored_value in values.items():
            rows[metric_name_of(["Motor", field, "axis", axis]), time] = stored_value
    return rows


def test_client_synchronous_write_is_stored(client, stored):
    sent = list(points())
    api = client.write_api(write_options=SYNCHRONOUS)
    api.write(bucket="any", record=[as_point(*one) for one in sent])
    assert stored() == expected(sent)


def test_client_batching_write_is_stored(client, stored):
    sent = list(points())
    failures = []
    options = WriteOptions(batch_size=64, flush_interval=100)
    with client.write_api(
        write_options=options, error_callback=lambda *details: failures.append(details)
    ) as api:
        for one in sent:
            api.write(bucket="any", record=as_point(*one))
    assert failures == []
    assert stored() == expected(sent)


def test_client_parses_errors(client):
    api = client.write_api(write_options=SYNCHRONOUS)
    with pytest.raises(ApiException) as raised:
        api.write(bucket="any", record='m,robot=SN-1 text="x",v=1')
    assert raised.value.status == 400
    assert "partial write: line 1: not_numeric" in raised.value.message


@pytest.mark.parametrize("error_class", [BusyError, OrganizationOverloadedError])
def test_client_retries_after_503(error_class, client, stored, monkeypatch):
    """The first attempts get 503 or 429 with Retry-After; no point is lost or stored twice."""
    attempts = []

    def busy_at_first(**given):
        attempts.append(len(given["decode"]().points))
        if len(attempts) <= 2:
            raise error_class
        return telemetry_ingest(**given)

    monkeypatch.setattr("apps.telemetry.services.telemetry.telemetry_ingest", busy_at_first)
    sent = list(points())[:200]
    failures, retries = [], []
    options = WriteOptions(
        batch_size=100, flush_interval=100, retry_interval=100, max_retries=5, jitter_interval=0
    )
    with client.write_api(
        write_options=options,
        error_callback=lambda *details: failures.append(details),
        retry_callback=lambda *details: retries.append(details),
    ) as api:
        for one in sent:
            api.write(bucket="any", record=as_point(*one))
    assert failures == []
    assert len(retries) == 2
    assert stored() == expected(sent)


def test_client_health_check_passes(client):
    assert client.ping() is True
    assert client.version() == "2.7.0-urfmp"


def test_client_query_gets_not_supported(client):
    with pytest.raises(ApiException) as raised:
        client.query_api().query("buckets()")
    assert raised.value.status == 501
    assert "Queries are not supported" in raised.value.message
