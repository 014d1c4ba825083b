"""InfluxDB's own Python client writes to a real server; what it wrote is found again exactly."""

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
from apps.telemetry.services.telemetry import telemetry_ingest

pytestmark = pytest.mark.django_db(transaction=True)

COUNT = 500


@pytest.fixture
def client(live_server, organization_a, make_key, make_robot):
    make_robot(organization_a, serial_number="SN-1")
    key = make_key(organization_a)
    with InfluxDBClient(url=live_server.url, token=key, org="any", enable_gzip=True) as made:
        yield made
    # An answer that was an error holds its connection, and with it a thread of the server and that
    # one's connection to the database, until it is collected.
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
    # Nanoseconds: to others the client divides a float, which loses a microsecond here and there.
    return made.field("warm", value > 40).field("n", int(value)).time(time, WritePrecision.NS)


def expected(sent):
    rows = {}
    for axis, time, value in sent:
        tail = f".axis.{axis.replace(' ', '_')}"
        rows["motor.temp__cel" + tail, time] = value
        rows["motor.warm" + tail, time] = float(value > 40)
        rows["motor.n" + tail, time] = float(int(value))
    return rows


def test_at_once(client, stored):
    sent = list(points())
    api = client.write_api(write_options=SYNCHRONOUS)
    api.write(bucket="any", record=[as_point(*one) for one in sent])
    assert stored() == expected(sent)


def test_in_batches_of_its_own_thread(client, stored):
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


def test_it_understands_our_errors(client):
    api = client.write_api(write_options=SYNCHRONOUS)
    with pytest.raises(ApiException) as raised:
        api.write(bucket="any", record='m,robot=SN-1 text="x",v=1')
    assert raised.value.status == 400
    assert "partial write: line 1: not_numeric" in raised.value.message


@pytest.mark.parametrize("refusal", [BusyError, OrganizationOverloadedError])
def test_it_sends_again_what_was_refused_for_a_while(refusal, client, stored, monkeypatch):
    """The first tries are answered with 503 or 429 and Retry-After; nothing is lost or doubled."""
    tries = []

    def busy_at_first(**given):
        tries.append(len(given["read"]().points))
        if len(tries) <= 2:
            raise refusal
        return telemetry_ingest(**given)

    monkeypatch.setattr("apps.telemetry.api.influx.telemetry_ingest", busy_at_first)
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


def test_it_finds_us_ready(client):
    assert client.ping() is True
    assert client.version() == "2.7.0-urfmp"


def test_it_is_told_that_queries_are_not_supported(client):
    with pytest.raises(ApiException) as raised:
        client.query_api().query("buckets()")
    assert raised.value.status == 501
    assert "Queries are not supported" in raised.value.message
