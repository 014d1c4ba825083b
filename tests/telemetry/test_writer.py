"""Writes that share a transaction, and cached API keys and robots."""

from __future__ import annotations

import gc
import weakref
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from apps.accounts.models import ApiKey
from apps.robots.services.robots import robot_retire
from apps.telemetry import exceptions
from apps.telemetry.api import request_body
from apps.telemetry.models import RobotTelemetry
from apps.telemetry.protocols.points import DecodedBatch, Point
from apps.telemetry.services import telemetry
from apps.telemetry.services.ingest import small_batch, writer
from apps.telemetry.services.ingest.backpressure import ByteBudget
from apps.telemetry.services.ingest.encoded_batch import micros_to_datetime
from apps.telemetry.services.ingest.encoding import encode_batch
from apps.telemetry.services.ingest.fair_share import FairShare
from apps.telemetry.services.ingest.small_batch import MAX_SMALL_BATCH_POINTS
from apps.telemetry.services.ingest.writer import PendingWrite, SendingApiKey, write_group
from apps.telemetry.services.pending_work import (
    Consumer,
    pending_work_acknowledge,
    pending_work_claim,
)
from apps.telemetry.services.telemetry import telemetry_ingest


@pytest.fixture
def robot(organization_a, make_robot):
    return make_robot(organization_a, serial_number="SN-1")


@pytest.fixture(params=["one statement", "copy"])
def make_write(request, organization_a, robot, monkeypatch):
    """Return a function that creates a pending write with one point per value.

    Small batches use one statement, large ones COPY; both must behave the same.
    """
    if request.param == "copy":
        monkeypatch.setattr(writer, "MAX_SMALL_BATCH_POINTS", -1)
    start = timezone.now().replace(microsecond=0) - timedelta(minutes=5)

    def make(*values, metric="a", key=None, **changes):
        points = [
            Point(metric, start + timedelta(seconds=second), float(value), robot.pk, **changes)
            for second, value in enumerate(values)
        ]
        batch = DecodedBatch([*enumerate(points)])
        return PendingWrite(encode_batch(organization_a.id, batch, timezone.now(), None), key)

    return make


@pytest.fixture
def post(organization_a, make_key, robot):
    key = make_key(organization_a)

    def send(named=None, path="/api/v1/telemetry"):
        if path != "/api/v1/telemetry":
            body, content_type = f"m,robot={named or 'SN-1'} v=1", "text/plain"
        else:
            time = (timezone.now() - timedelta(minutes=1)).isoformat()
            point = {"metric_name": "a", "time": time, "value": 1, "serial_number": named or "SN-1"}
            body, content_type = {"points": [point]}, "application/json"
        return Client().post(path, body, content_type=content_type, headers={"x-api-key": key})

    return send


def count(tenant, organization):
    with tenant(organization):
        return RobotTelemetry.objects.count()


def test_write_group_shares_one_transaction(
    make_write, organization_a, tenant, django_assert_max_num_queries
):
    writes = [make_write(1, 2, 3, metric=name) for name in "dacb"]
    with django_assert_max_num_queries(8):
        write_group(organization_a.id, writes)
    assert [(one.error, len(one.stored)) for one in writes] == [(None, 3)] * 4
    assert count(tenant, organization_a) == 12
    with tenant(organization_a):
        assert [item.metric_names for item in pending_work_claim(Consumer.ROLLED_UP)] == [
            list("abcd")
        ]


def test_write_group_metric_named_null_is_stored(
    make_write, organization_a, tenant, django_assert_max_num_queries
):
    sent = make_write(1, 2, metric="null", unit="null")
    with django_assert_max_num_queries(8):
        write_group(organization_a.id, [sent])
    assert (sent.error, len(sent.stored)) == (None, 2)
    with tenant(organization_a):
        stored = set(RobotTelemetry.objects.values_list("metric_name", "unit"))
    assert stored == {("null", "null")}


def test_write_group_sorts_points_of_all_writes(make_write, organization_a, tenant):
    """A common order: two groups with the same points cannot deadlock."""
    one, two = make_write(1, 2, metric="b"), make_write(3, 4, metric="a")
    write_group(organization_a.id, [one, two])
    with tenant(organization_a), connection.cursor() as cursor:
        cursor.execute("SELECT value FROM robot_telemetry ORDER BY ctid")
        assert cursor.fetchall() == [(3,), (4,), (1,), (2,)]


def test_write_group_duplicates_do_not_fail_others(make_write, organization_a, tenant):
    write_group(organization_a.id, [make_write(1, 2)])
    old, changed, fresh = make_write(1, 2, 3), make_write(1, 7), make_write(5, metric="b")
    write_group(organization_a.id, [old, changed, fresh])
    assert [one.error for one in (old, changed, fresh)] == [None] * 3
    assert [len(one.stored) for one in (old, changed, fresh)] == [1, 0, 1]
    assert [*changed.conflicting_values.values()] == [2.0]
    assert count(tenant, organization_a) == 4


def test_write_group_same_point_twice_is_stored_once(make_write, organization_a, tenant):
    writes = [make_write(1), make_write(1), make_write(2)]
    write_group(organization_a.id, writes)
    assert sorted(len(one.stored) for one in writes) == [0, 0, 1]
    assert count(tenant, organization_a) == 1


def test_write_group_empty_write_does_not_fail_others(make_write, organization_a, tenant):
    write_group(organization_a.id, [make_write(1, 2)])
    old, empty, fresh = make_write(1, 2), make_write(), make_write(5, metric="b")
    write_group(organization_a.id, [old, empty, fresh])
    assert [one.error for one in (old, empty, fresh)] == [None] * 3
    assert [len(one.stored) for one in (old, empty, fresh)] == [0, 0, 1]
    assert count(tenant, organization_a) == 3


def test_write_group_unexpected_error_is_set_on_its_write(
    make_write, organization_a, tenant, monkeypatch
):
    """No other write is reported as stored, or as a duplicate, by mistake."""
    write_group(organization_a.id, [make_write(1, 2)])
    old, bad, fresh = make_write(1, 2), make_write(3, metric="c"), make_write(5, metric="b")
    write_skipping_stored = writer._write_skipping_stored

    def fail(organization_id, one):
        if one is bad:
            raise RuntimeError
        write_skipping_stored(organization_id, one)

    monkeypatch.setattr(writer, "_write_skipping_stored", fail)
    write_group(organization_a.id, [old, bad, fresh])
    assert [type(one.error) for one in (old, bad, fresh)] == [type(None), RuntimeError, type(None)]
    assert len(fresh.stored) == 1
    assert count(tenant, organization_a) == 3


@pytest.mark.parametrize("at", [0, 1, 2])
def test_write_group_interrupted_reports_unwritten_as_errors(
    make_write, organization_a, tenant, monkeypatch, at
):
    write_group(organization_a.id, [make_write(1)])
    writes = [make_write(1), make_write(3, metric="c"), make_write(5, metric="b")]
    write_skipping_stored = writer._write_skipping_stored

    def fail(organization_id, one):
        if one is writes[at]:
            raise KeyboardInterrupt
        write_skipping_stored(organization_id, one)

    monkeypatch.setattr(writer, "_write_skipping_stored", fail)
    with pytest.raises(KeyboardInterrupt):
        write_group(organization_a.id, writes)
    assert [one.error is None for one in writes] == [index < at for index in range(3)]


def test_write_group_revoked_key_does_not_fail_others(make_write, organization_a, make_key, tenant):
    make_key(organization_a, name="good")
    make_key(organization_a, name="revoked")
    with tenant(organization_a):
        good, revoked = (ApiKey.objects.get(name=name).pk for name in ("good", "revoked"))
        ApiKey.objects.filter(pk=revoked).update(is_active=False)
    one = make_write(1, metric="a", key=SendingApiKey(good, None))
    two = make_write(1, metric="b", key=SendingApiKey(revoked, None))
    write_group(organization_a.id, [one, two])
    assert one.error is None
    assert isinstance(two.error, exceptions.StaleReferenceError)
    assert two.error.ids == {revoked}
    assert count(tenant, organization_a) == 1


def test_retry_alone_verifies_key_again(make_write, organization_a, make_key, tenant, monkeypatch):
    make_key(organization_a, name="ends")
    with tenant(organization_a):
        key = ApiKey.objects.get(name="ends").pk
    write_group(organization_a.id, [make_write(1)])
    write_directly = writer._write_directly

    def revoke_after_write(organization_id, writes):
        try:
            write_directly(organization_id, writes)
        finally:
            with tenant(organization_a):
                ApiKey.objects.filter(pk=key).update(is_active=False)

    monkeypatch.setattr(writer, "_write_directly", revoke_after_write)
    sent = make_write(1, 2, key=SendingApiKey(key, None))
    write_group(organization_a.id, [sent])
    assert isinstance(sent.error, exceptions.StaleReferenceError)
    assert sent.error.ids == {key}
    assert count(tenant, organization_a) == 1


def test_write_skipping_stored_enqueues_only_new_points(make_write, organization_a, tenant):
    write_group(organization_a.id, [make_write(1, 2)])
    with tenant(organization_a):
        pending_work_acknowledge(Consumer.ROLLED_UP, pending_work_claim(Consumer.ROLLED_UP))
    sent = make_write(1, 2, 3)
    write_group(organization_a.id, [sent])
    with tenant(organization_a):
        (item,) = pending_work_claim(Consumer.ROLLED_UP)
    assert item.least_time == item.greatest_time == micros_to_datetime(sent.stored[0].time)


def test_write_group_lost_database_is_not_retried(make_write, organization_a, monkeypatch):
    from django.db import OperationalError

    calls = []

    def lost(*_):
        calls.append(1)
        raise OperationalError

    monkeypatch.setattr(writer, "_verify_references", lost)
    monkeypatch.setattr(writer, "insert_points", lost)
    writes = [make_write(1, metric=name) for name in "abc"]
    write_group(organization_a.id, writes)
    assert len(calls) == 1
    assert all(isinstance(one.error, OperationalError) for one in writes)


def test_write_group_database_lost_midway_is_not_retried(
    make_write, organization_a, monkeypatch, tenant
):
    from django.db import OperationalError

    write_group(organization_a.id, [make_write(1)])
    writes = [make_write(1), *(make_write(1, metric=name) for name in "bcd")]
    write_skipping_stored, calls = writer._write_skipping_stored, []

    def lost(organization_id, one):
        calls.append(one)
        if one is not writes[0]:
            raise OperationalError
        write_skipping_stored(organization_id, one)

    monkeypatch.setattr(writer, "_write_skipping_stored", lost)
    write_group(organization_a.id, writes)
    assert calls == writes[:2]
    assert [type(one.error) for one in writes] == [type(None), *[OperationalError] * 3]
    assert count(tenant, organization_a) == 1


def test_write_group_has_statement_timeout(make_write, organization_a, monkeypatch):
    def sleep(*_):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(5)")

    for module in (writer, small_batch):
        monkeypatch.setattr(module, "STATEMENT_TIMEOUT", "100ms")
    monkeypatch.setattr(writer, "pending_work_enqueue", sleep)
    monkeypatch.setattr(small_batch, "_INSERT", small_batch._INSERT + ", pg_sleep(5)")
    one = make_write(1)
    write_group(organization_a.id, [one])
    assert "statement timeout" in str(one.error)


@pytest.mark.parametrize("path", ["/api/v1/telemetry", "/api/v2/write"])
@pytest.mark.parametrize(
    "change",
    [
        {"is_active": False},
        {"expires_at": timezone.now() - timedelta(seconds=1)},
        {"permissions": ["telemetry:read"]},
        {"allowed_networks": ["192.0.2.0/24"]},
    ],
    ids=lambda change: next(iter(change)),  # every process collects the same test ids
)
def test_ingest_changed_cached_key_gets_401(post, path, change, organization_a, tenant):
    for _ in range(2):  # the first use is recorded, and the key is reloaded after it
        assert post(path=path).status_code in {200, 204}
    with tenant(organization_a):
        ApiKey.objects.update(**change)
    before = count(tenant, organization_a)
    response = post(path=path)
    assert response.status_code == 401
    assert response["www-authenticate"]
    assert count(tenant, organization_a) == before
    assert post(path=path).status_code in {401, 403}


def test_ingest_key_bound_to_robot_meanwhile_is_reloaded(post, organization_a, tenant, make_robot):
    assert (post().status_code, post().status_code) == (200, 200)
    other = make_robot(organization_a, serial_number="SN-2")
    with tenant(organization_a):
        ApiKey.objects.update(robot=other)
    assert post().status_code == 401  # the cached key is stale
    assert post().status_code == 422  # names a robot other than its own
    assert post("SN-2").status_code == 200


def test_ingest_key_of_inactive_organization_gets_401(post, organization_a, tenant):
    assert (post().status_code, post().status_code) == (200, 200)
    with tenant(organization_a):
        organization_a.is_active = False
        organization_a.save(update_fields=["is_active"])
    assert post().status_code == 401


def test_ingest_retired_cached_robot_is_rejected(post, robot, organization_a, tenant):
    assert post().status_code == 200
    with tenant(organization_a):
        robot_retire(robot)
    before = count(tenant, organization_a)
    assert post().status_code == 422
    assert count(tenant, organization_a) == before


def test_ingest_moved_serial_number_resolves_new_robot(
    post, robot, organization_a, tenant, make_robot
):
    assert post().status_code == 200
    with tenant(organization_a):
        robot.serial_number = "SN-OLD"
        robot.save(update_fields=["serial_number"])
    new = make_robot(organization_a, serial_number="SN-1")
    assert post().status_code == 200
    with tenant(organization_a):
        assert RobotTelemetry.objects.filter(robot=new).count() == 1
        assert RobotTelemetry.objects.filter(robot=robot).count() == 1


def test_ingest_revoked_key_with_unknown_robot_gets_401(post, organization_a, tenant):
    assert (post().status_code, post().status_code) == (200, 200)
    with tenant(organization_a):
        ApiKey.objects.update(is_active=False)
    assert post("SN-UNKNOWN").status_code == 401


@pytest.mark.parametrize("path", ["/api/v1/telemetry", "/api/v2/write"])
def test_ingest_byte_budget_exhausted_sends_retry_after(post, path, organization_a, monkeypatch):
    budget = ByteBudget(max_total=1_000, max_per_organization=500)
    monkeypatch.setattr(request_body, "_budget", budget)
    with budget.reserve(organization_a.id, 500):
        response = post(path=path)
        assert (response.status_code, response["retry-after"]) == (429, "1")
    from uuid import uuid4

    with budget.reserve(uuid4(), 1_000):
        response = post(path=path)
        assert (response.status_code, response["retry-after"]) == (503, "1")
        assert response.json()["code"] == "unavailable"
    assert post(path=path).status_code in {200, 204}


@pytest.mark.parametrize("path", ["/api/v1/telemetry", "/api/v2/write"])
def test_ingest_of_late_organization_beside_others_sends_retry_after(
    post, path, organization_a, organization_b, monkeypatch
):
    share = FairShare(max_requests=1, max_wait_seconds=-1.0)
    monkeypatch.setattr(request_body, "fair_share", share)
    with share.request(organization_a.id):
        assert post(path=path).status_code in {200, 204}  # no other organization sends
        with share.request(organization_b.id):
            response = post(path=path)
    assert (response.status_code, response["retry-after"]) == (429, "1")
    assert post(path=path).status_code in {200, 204}


def test_ingest_deeply_nested_metadata_rejects_only_its_point(organization_a, make_key, robot):
    def nested(depth):
        value = {}
        for _ in range(depth):
            value = {"a": value}
        return value

    time = (timezone.now() - timedelta(minutes=1)).isoformat()
    points = [
        {"metric_name": name, "time": time, "value": 1, "serial_number": "SN-1", "metadata": m}
        for name, m in (("a", nested(5)), ("b", nested(300)))
    ]
    response = (
        Client()
        .post(
            "/api/v1/telemetry",
            {"points": points},
            content_type="application/json",
            headers={"x-api-key": make_key(organization_a)},
        )
        .json()
    )
    assert (response["accepted"], response["rejected"][0]["code"]) == (1, "metadata")


@pytest.mark.parametrize("count", [20, MAX_SMALL_BATCH_POINTS + 1])
def test_ingest_leaves_no_reference_cycles(count, organization_a, robot, monkeypatch):
    """Batches in reference cycles would accumulate until the next collection."""
    batches = []

    def written(*given):
        batches.append(weakref.ref(encoded := encode_batch(*given)))
        return encoded

    monkeypatch.setattr(telemetry, "encode_batch", written)
    start = timezone.now().replace(microsecond=0) - timedelta(hours=2)

    def send(value):
        points = [
            Point("a", start + timedelta(seconds=second), value, robot.pk)
            for second in range(count)
        ]
        batch = DecodedBatch([*enumerate(points)])
        result = telemetry_ingest(organization_id=organization_a.id, decode=lambda: batch)
        return result.accepted, result.duplicate, len(result.rejected)

    gc.disable()
    try:
        assert send(1.0) == (count, 0, 0)
        assert send(1.0) == (0, count, 0)
        assert send(2.0) == (0, 0, count)
        assert [batch() for batch in batches] == [None] * 3
    finally:
        gc.enable()
