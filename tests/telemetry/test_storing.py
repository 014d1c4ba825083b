"""Batches that share a transaction, and what is remembered between them."""

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
from apps.telemetry.services.ingest.encoding import encode_batch, micros_to_datetime
from apps.telemetry.services.ingest.small_batch import MAX_SMALL_BATCH_POINTS
from apps.telemetry.services.ingest.writer import PendingWrite, WritingKey, write_group
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
def parcel(request, organization_a, robot, monkeypatch):
    """Return a function that makes a parcel of points, one for each value.

    Few rows go in with one statement, many by COPY: what holds for one holds for the other.
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


def test_parcels_share_one_transaction(
    parcel, organization_a, tenant, django_assert_max_num_queries
):
    parcels = [parcel(1, 2, 3, metric=name) for name in "dacb"]
    with django_assert_max_num_queries(8):
        write_group(organization_a.id, parcels)
    assert [(one.error, len(one.stored)) for one in parcels] == [(None, 3)] * 4
    assert count(tenant, organization_a) == 12
    with tenant(organization_a):
        assert [block.metric_names for block in pending_work_claim(Consumer.ROLLED_UP)] == [
            list("abcd")
        ]


def test_a_metric_may_be_called_null(parcel, organization_a, tenant, django_assert_max_num_queries):
    sent = parcel(1, 2, metric="null", unit="null")
    with django_assert_max_num_queries(8):
        write_group(organization_a.id, [sent])
    assert (sent.error, len(sent.stored)) == (None, 2)
    with tenant(organization_a):
        stored = set(RobotTelemetry.objects.values_list("metric_name", "unit"))
    assert stored == {("null", "null")}


def test_rows_of_several_parcels_go_in_one_order(parcel, organization_a, tenant):
    """The same for everybody: two groups with the same points do not wait for each other."""
    one, two = parcel(1, 2, metric="b"), parcel(3, 4, metric="a")
    write_group(organization_a.id, [one, two])
    with tenant(organization_a), connection.cursor() as cursor:
        cursor.execute("SELECT value FROM robot_telemetry ORDER BY ctid")
        assert cursor.fetchall() == [(3,), (4,), (1,), (2,)]


def test_one_that_was_stored_before_does_not_fail_its_neighbours(parcel, organization_a, tenant):
    write_group(organization_a.id, [parcel(1, 2)])
    old, changed, fresh = parcel(1, 2, 3), parcel(1, 7), parcel(5, metric="b")
    write_group(organization_a.id, [old, changed, fresh])
    assert [one.error for one in (old, changed, fresh)] == [None] * 3
    assert [len(one.stored) for one in (old, changed, fresh)] == [1, 0, 1]
    assert [*changed.conflicting_values.values()] == [2.0]
    assert count(tenant, organization_a) == 4


def test_the_same_point_in_two_parcels_is_stored_once(parcel, organization_a, tenant):
    parcels = [parcel(1), parcel(1), parcel(2)]
    write_group(organization_a.id, parcels)
    assert sorted(len(one.stored) for one in parcels) == [0, 0, 1]
    assert count(tenant, organization_a) == 1


def test_one_without_a_good_point_does_not_fail_its_neighbours(parcel, organization_a, tenant):
    write_group(organization_a.id, [parcel(1, 2)])
    old, empty, fresh = parcel(1, 2), parcel(), parcel(5, metric="b")
    write_group(organization_a.id, [old, empty, fresh])
    assert [one.error for one in (old, empty, fresh)] == [None] * 3
    assert [len(one.stored) for one in (old, empty, fresh)] == [0, 0, 1]
    assert count(tenant, organization_a) == 3


def test_what_goes_wrong_unforeseen_is_no_success(parcel, organization_a, tenant, monkeypatch):
    """None of its neighbours is taken for stored, or for a duplicate, when it is not."""
    write_group(organization_a.id, [parcel(1, 2)])
    old, bad, fresh = parcel(1, 2), parcel(3, metric="c"), parcel(5, metric="b")
    store_new = writer._write_missing

    def breaks(organization_id, one):
        if one is bad:
            raise RuntimeError
        store_new(organization_id, one)

    monkeypatch.setattr(writer, "_write_missing", breaks)
    write_group(organization_a.id, [old, bad, fresh])
    assert [type(one.error) for one in (old, bad, fresh)] == [type(None), RuntimeError, type(None)]
    assert len(fresh.stored) == 1
    assert count(tenant, organization_a) == 3


@pytest.mark.parametrize("at", [0, 1, 2])
def test_an_interrupted_thread_calls_nothing_stored_that_is_not(
    parcel, organization_a, tenant, monkeypatch, at
):
    write_group(organization_a.id, [parcel(1)])
    parcels = [parcel(1), parcel(3, metric="c"), parcel(5, metric="b")]
    store_new = writer._write_missing

    def breaks(organization_id, one):
        if one is parcels[at]:
            raise KeyboardInterrupt
        store_new(organization_id, one)

    monkeypatch.setattr(writer, "_write_missing", breaks)
    with pytest.raises(KeyboardInterrupt):
        write_group(organization_a.id, parcels)
    assert [one.error is None for one in parcels] == [place < at for place in range(3)]


def test_a_key_that_has_ended_does_not_fail_its_neighbours(
    parcel, organization_a, make_key, tenant
):
    make_key(organization_a, name="good")
    make_key(organization_a, name="ended")
    with tenant(organization_a):
        good, ended = (ApiKey.objects.get(name=name).pk for name in ("good", "ended"))
        ApiKey.objects.filter(pk=ended).update(is_active=False)
    one = parcel(1, metric="a", key=WritingKey(good, None))
    two = parcel(1, metric="b", key=WritingKey(ended, None))
    write_group(organization_a.id, [one, two])
    assert one.error is None
    assert isinstance(two.error, exceptions.StaleReferenceError)
    assert two.error.ids == {ended}
    assert count(tenant, organization_a) == 1


def test_a_key_is_looked_at_again_when_its_points_are_stored_one_by_one(
    parcel, organization_a, make_key, tenant, monkeypatch
):
    make_key(organization_a, name="ends")
    with tenant(organization_a):
        key = ApiKey.objects.get(name="ends").pk
    write_group(organization_a.id, [parcel(1)])
    store_together = writer._write_shared

    def together(organization_id, parcels):
        try:
            store_together(organization_id, parcels)
        finally:
            with tenant(organization_a):
                ApiKey.objects.filter(pk=key).update(is_active=False)

    monkeypatch.setattr(writer, "_write_shared", together)
    sent = parcel(1, 2, key=WritingKey(key, None))
    write_group(organization_a.id, [sent])
    assert isinstance(sent.error, exceptions.StaleReferenceError)
    assert sent.error.ids == {key}
    assert count(tenant, organization_a) == 1


def test_what_is_new_beside_what_was_stored_is_told(parcel, organization_a, tenant):
    write_group(organization_a.id, [parcel(1, 2)])
    with tenant(organization_a):
        pending_work_acknowledge(Consumer.ROLLED_UP, pending_work_claim(Consumer.ROLLED_UP))
    sent = parcel(1, 2, 3)
    write_group(organization_a.id, [sent])
    with tenant(organization_a):
        (block,) = pending_work_claim(Consumer.ROLLED_UP)
    assert block.least_time == block.greatest_time == micros_to_datetime(sent.stored[0].time)


def test_a_lost_database_is_not_asked_again_for_each(parcel, organization_a, monkeypatch):
    from django.db import OperationalError

    calls = []

    def lost(*_):
        calls.append(1)
        raise OperationalError

    monkeypatch.setattr(writer, "_verify_references", lost)
    monkeypatch.setattr(writer, "insert_points", lost)
    parcels = [parcel(1, metric=name) for name in "abc"]
    write_group(organization_a.id, parcels)
    assert len(calls) == 1
    assert all(isinstance(one.error, OperationalError) for one in parcels)


def test_a_database_that_is_lost_halfway_is_not_asked_again_for_each(
    parcel, organization_a, monkeypatch, tenant
):
    from django.db import OperationalError

    write_group(organization_a.id, [parcel(1)])
    parcels = [parcel(1), *(parcel(1, metric=name) for name in "bcd")]
    store_new, calls = writer._write_missing, []

    def lost(organization_id, one):
        calls.append(one)
        if one is not parcels[0]:
            raise OperationalError
        store_new(organization_id, one)

    monkeypatch.setattr(writer, "_write_missing", lost)
    write_group(organization_a.id, parcels)
    assert calls == parcels[:2]
    assert [type(one.error) for one in parcels] == [type(None), *[OperationalError] * 3]
    assert count(tenant, organization_a) == 1


def test_statements_have_a_limit(parcel, organization_a, monkeypatch):
    def sleep(*_):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(5)")

    for module in (writer, small_batch):
        monkeypatch.setattr(module, "STATEMENT_TIMEOUT", "100ms")
    monkeypatch.setattr(writer, "pending_work_enqueue", sleep)
    monkeypatch.setattr(small_batch, "_INSERT", small_batch._INSERT + ", pg_sleep(5)")
    one = parcel(1)
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
    ids=lambda change: next(iter(change)),  # every process collects the same names
)
def test_a_key_is_refused_however_fresh_its_memory(post, path, change, organization_a, tenant):
    for _ in range(2):  # the first use is noted, and the key read anew after it
        assert post(path=path).status_code in {200, 204}
    with tenant(organization_a):
        ApiKey.objects.update(**change)
    before = count(tenant, organization_a)
    answer = post(path=path)
    assert answer.status_code == 401
    assert answer["www-authenticate"]
    assert count(tenant, organization_a) == before
    assert post(path=path).status_code in {401, 403}


def test_a_key_that_was_bound_to_a_robot_meanwhile_is_read_anew(
    post, organization_a, tenant, make_robot
):
    assert (post().status_code, post().status_code) == (200, 200)
    other = make_robot(organization_a, serial_number="SN-2")
    with tenant(organization_a):
        ApiKey.objects.update(robot=other)
    assert post().status_code == 401  # not what it was taken for
    assert post().status_code == 422  # names a robot that is not its own
    assert post("SN-2").status_code == 200


def test_a_key_of_an_organization_that_was_closed_is_refused(post, organization_a, tenant):
    assert (post().status_code, post().status_code) == (200, 200)
    with tenant(organization_a):
        organization_a.is_active = False
        organization_a.save(update_fields=["is_active"])
    assert post().status_code == 401


def test_a_robot_is_refused_however_fresh_its_memory(post, robot, organization_a, tenant):
    assert post().status_code == 200
    with tenant(organization_a):
        robot_retire(robot)
    before = count(tenant, organization_a)
    assert post().status_code == 422
    assert count(tenant, organization_a) == before


def test_a_serial_number_that_moved_is_found_at_its_new_robot(
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


def test_nothing_good_from_an_ended_key_is_401(post, organization_a, tenant):
    assert (post().status_code, post().status_code) == (200, 200)
    with tenant(organization_a):
        ApiKey.objects.update(is_active=False)
    assert post("SN-UNKNOWN").status_code == 401


@pytest.mark.parametrize("path", ["/api/v1/telemetry", "/api/v2/write"])
def test_beyond_the_room_senders_are_told_to_come_back(post, path, organization_a, monkeypatch):
    budget = ByteBudget(max_total=1_000, max_per_organization=500)
    monkeypatch.setattr(request_body, "_budget", budget)
    with budget.reserve(organization_a.id, 500):
        answer = post(path=path)
        assert (answer.status_code, answer["retry-after"]) == (429, "1")
    from uuid import uuid4

    with budget.reserve(uuid4(), 1_000):
        answer = post(path=path)
        assert (answer.status_code, answer["retry-after"]) == (503, "1")
        assert answer.json()["code"] == "unavailable"
    assert post(path=path).status_code in {200, 204}


def test_metadata_that_is_nested_too_deep_is_refused_alone(organization_a, make_key, robot):
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
    answer = (
        Client()
        .post(
            "/api/v1/telemetry",
            {"points": points},
            content_type="application/json",
            headers={"x-api-key": make_key(organization_a)},
        )
        .json()
    )
    assert (answer["accepted"], answer["rejected"][0]["code"]) == (1, "metadata")


@pytest.mark.parametrize("count", [20, MAX_SMALL_BATCH_POINTS + 1])
def test_nothing_is_left_to_the_collector(count, organization_a, robot, monkeypatch):
    """It comes by rarely: what waited for it would add up while much is sent."""
    sheets = []

    def written(*given):
        sheets.append(weakref.ref(sheet := encode_batch(*given)))
        return sheet

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
        assert [sheet() for sheet in sheets] == [None] * 3
    finally:
        gc.enable()
