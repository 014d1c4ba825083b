from __future__ import annotations

import contextlib
import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.telemetry.exceptions import MalformedBatchError, TooManyPointsError
from apps.telemetry.models import RobotTelemetry
from apps.telemetry.protocols.json import decode_json
from apps.telemetry.protocols.points import MAX_METRIC_NAME_LENGTH
from urfmp.common.units import canonical_unit


@pytest.fixture
def robot(organization_a, make_robot):
    return make_robot(organization_a)


@pytest.fixture
def send(organization_a, make_key):
    """Post a batch with an API key of organization A; wraps lists, sends bytes unchanged."""
    key = make_key(organization_a)

    def post(points, **headers):
        body = points if isinstance(points, bytes) else json.dumps({"points": points})
        headers = {"authorization": f"Bearer {key}", **headers}
        return Client(raise_request_exception=False).post(
            "/api/v1/telemetry", body, content_type="application/json", headers=headers
        )

    return post


def point(robot, seconds=0.0, value=1.5, **changes):
    time = (timezone.now() - timedelta(minutes=10)).replace(microsecond=0)
    return {
        "robot_id": str(robot.pk),
        "metric_name": "temperature.motor.joint1",
        "time": (time + timedelta(seconds=seconds)).isoformat(),
        "value": value,
        "unit": "Cel",
        **changes,
    }


def stored(tenant, organization):
    with tenant(organization):
        return RobotTelemetry.objects.count()


def test_ingest_stores_points(send, robot, organization_a, tenant):
    response = send([point(robot, second, value=second) for second in range(5)])
    assert response.status_code == 200
    assert response.json() == {"accepted": 5, "duplicate": 0, "rejected": []}
    with tenant(organization_a):
        values = RobotTelemetry.objects.order_by("time").values_list("value", "unit")
        assert list(values) == [(float(second), "Cel") for second in range(5)]


def test_ingest_stores_every_value_of_joints_and_forces(
    send, robot, organization_a, make_key, tenant
):
    """The original accepted joint, force and torque values, and dropped them silently."""
    units = {"angle": "rad", "velocity": "rad/s", "current": "A", "torque": "Nm"}
    metrics = (
        {f"joint.{joint}.{name}": unit for joint in range(1, 13) for name, unit in units.items()}
        | {f"tool.force.{axis}": "N" for axis in "xyz"}
        | {"tool.torque.x": "Nm", "grip.force": "N"}
    )
    sent = {name: number + 0.25 for number, name in enumerate(metrics)}
    points = [
        point(robot, value=sent[name], metric_name=name, unit=unit)
        for name, unit in metrics.items()
    ]
    assert send(points).json() == {"accepted": len(points), "duplicate": 0, "rejected": []}
    with tenant(organization_a):
        rows = RobotTelemetry.objects.filter(robot=robot)
        assert dict(rows.values_list("metric_name", "value")) == sent
    reader = make_key(organization_a, ["robots:read", "telemetry:read"])
    client = Client(headers={"x-api-key": reader})
    answer = client.get(f"/api/v1/robots/{robot.pk}/telemetry/latest").json()
    assert {row["metric_name"]: row["value"] for row in answer["values"]} == sent


def test_ingest_empty_unit_is_stored_as_null(send, robot, organization_a, tenant):
    batch = [point(robot, 0, unit=""), point(robot, 1, unit=None), point(robot, 1, unit="")]
    batch.append(point(robot, 2, unit="", metadata={"a": 1}))
    assert send(batch).json() == {"accepted": 3, "duplicate": 1, "rejected": []}
    with tenant(organization_a):
        assert set(RobotTelemetry.objects.values_list("unit", flat=True)) == {None}


def test_ingest_resent_batch_counts_duplicates(send, robot, organization_a, tenant):
    batch = [point(robot, second) for second in range(5)]
    send(batch)
    assert send(batch).json() == {"accepted": 0, "duplicate": 5, "rejected": []}
    assert stored(tenant, organization_a) == 5


def test_ingest_overlapping_batch_stores_new_points(send, robot, organization_a, tenant):
    points = [point(robot, second) for second in range(8)]
    send(points[:5])
    assert send(points[3:]).json() == {"accepted": 3, "duplicate": 2, "rejected": []}
    assert stored(tenant, organization_a) == 8


def test_ingest_other_value_is_conflict_and_stored_stays(send, robot, organization_a, tenant):
    first, second = point(robot, value=1.0), point(robot, 1)
    send([first])
    response = send([{**first, "value": 2.0}, second]).json()
    assert response["accepted"] == 1
    assert [(item["index"], item["code"]) for item in response["rejected"]] == [(0, "conflict")]
    with tenant(organization_a):
        assert RobotTelemetry.objects.order_by("time").first().value == 1.0


def test_ingest_repeats_within_batch_are_duplicates(send, robot):
    one = point(robot, value=1.0)
    response = send([one, one, {**one, "value": 2.0}]).json()
    assert (response["accepted"], response["duplicate"]) == (1, 1)
    assert [(item["index"], item["code"]) for item in response["rejected"]] == [(2, "conflict")]


def test_ingest_repeats_are_compared_with_stored_value(send, robot):
    two = point(robot, value=2.0)
    one = {**two, "value": 1.0}
    send([two])
    response = send([one, one])
    assert response.status_code == 422
    assert [item["code"] for item in response.json()["rejected"]] == ["conflict"] * 2
    mixed = send([one, two]).json()
    assert (mixed["duplicate"], [item["index"] for item in mixed["rejected"]]) == (1, [0])


def test_ingest_serial_number_resolves_robot(send, robot):
    named = point(robot, serial_number=robot.serial_number)
    del named["robot_id"]
    assert send([named]).json()["accepted"] == 1


def test_ingest_robot_key_defaults_to_its_robot_only(organization_a, make_robot, make_key, robot):
    key, other = make_key(organization_a, robot=robot), make_robot(organization_a)
    own = point(robot)
    del own["robot_id"]
    response = Client().post(
        "/api/v1/telemetry",
        {"points": [own, point(other)]},
        content_type="application/json",
        headers={"x-api-key": key},
    )
    assert response.json()["accepted"] == 1
    assert response.json()["rejected"][0]["code"] == "unknown_robot"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"robot_id": "00000000-0000-4000-8000-000000000000"}, "unknown_robot"),
        ({"robot_id": "nonsense"}, "invalid"),
        ({"metric_name": "Temperature"}, "metric_name"),
        ({"metric_name": "a..b"}, "metric_name"),
        ({"metric_name": ""}, "metric_name"),
        ({"metric_name": "a" * (MAX_METRIC_NAME_LENGTH + 1)}, "metric_name"),
        ({"metric_name": "a\u0000"}, "metric_name"),
        ({"value": "1.5"}, "invalid"),
        ({"value": True}, "invalid"),
        ({"value": None}, "invalid"),
        ({"time": "yesterday"}, "invalid"),
        ({"time": "2026-01-01T00:00:00"}, "invalid"),
        ({"time": "0001-01-01T00:00:00Z"}, "too_old"),
        ({"time": "9999-12-31T23:59:59Z"}, "clock_skew"),
        ({"unit": "x" * 21}, "unit"),
        ({"unit": "\u0000"}, "unit"),
        ({"metadata": {"note": "\u0000"}}, "metadata"),
        ({"metadata": []}, "invalid"),
        ({"surprise": 1}, "invalid"),
    ],
)
def test_ingest_invalid_point_rejects_only_itself(send, robot, changes, code):
    response = send([point(robot, 1), {**point(robot), **changes}, point(robot, 2)])
    assert response.status_code == 200
    assert response.json()["accepted"] == 2
    assert [(item["index"], item["code"]) for item in response.json()["rejected"]] == [(1, code)]


@pytest.mark.parametrize("missing", ["metric_name", "time", "value", "robot_id"])
def test_ingest_missing_field_is_rejected(send, robot, missing):
    bad = point(robot)
    del bad[missing]
    response = send([bad, point(robot, 1)]).json()
    code = "unknown_robot" if missing == "robot_id" else "invalid"
    assert (response["accepted"], response["rejected"][0]["code"]) == (1, code)


@pytest.mark.parametrize("number", ["1e400", "-1e999"])
def test_ingest_overflow_to_infinity_rejects_only_its_point(send, robot, number):
    body = json.dumps({"points": [point(robot, value=0.25), point(robot, 1)]})
    response = send(body.replace("0.25", number).encode())
    assert response.status_code == 200, response.content
    assert response.json()["accepted"] == 1
    assert response.json()["rejected"][0]["index"] == 0


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity"])
def test_ingest_nan_literal_gets_400(send, robot, literal):
    body = json.dumps({"points": [point(robot, value=0.25)]}).replace("0.25", literal)
    response = send(body.encode())
    assert response.status_code == 400
    assert response.json()["code"] == "malformed"


def test_ingest_time_five_minutes_ahead_is_accepted(send, robot):
    soon = (timezone.now() + timedelta(minutes=4, seconds=50)).isoformat()
    late = (timezone.now() + timedelta(minutes=5, seconds=30)).isoformat()
    response = send([point(robot, time=soon), point(robot, time=late)]).json()
    assert (response["accepted"], response["rejected"][0]["code"]) == (1, "clock_skew")


def test_ingest_robot_of_other_organization_is_unknown(
    send, robot, organization_b, make_robot, tenant
):
    theirs = make_robot(organization_b)
    by_serial = point(theirs, 1, serial_number=theirs.serial_number)
    del by_serial["robot_id"]
    response = send([point(theirs), by_serial, point(robot)]).json()
    assert [item["code"] for item in response["rejected"]] == ["unknown_robot"] * 2
    assert stored(tenant, organization_b) == 0


def test_ingest_retired_robot_is_unknown(send, robot, organization_a, tenant):
    from apps.robots.services.robots import robot_retire

    with tenant(organization_a):
        robot_retire(robot)
    assert send([point(robot)]).status_code == 422


def test_ingest_all_rejected_gets_422(send, robot):
    response = send([point(robot, metric_name="BAD")])
    assert response.status_code == 422
    assert response["content-type"] == "application/problem+json"
    assert response.json()["rejected"][0]["code"] == "metric_name"


@pytest.mark.parametrize(
    "body",
    [b" ", b"not json", b"[]", b"{}", b'{"points": 1}', b'{"points": [', b"\xff\xfe", b"null"],
)
def test_ingest_malformed_body_gets_400(send, body):
    response = send(body)
    assert (response.status_code, response.json()["code"]) == (400, "malformed")


def test_ingest_10_001_points_get_413(send, robot):
    response = send([point(robot, index / 1000) for index in range(10_001)])
    assert (response.status_code, response.json()["code"]) == (413, "too_many_points")


def test_ingest_body_of_20_mb_gets_413(send):
    response = send(b'{"points": [' + b" " * 20_000_000 + b"]}")
    assert (response.status_code, response.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize("key", ["", "nonsense", "urfmp_live_0123456789_" + "a" * 38])
def test_ingest_malformed_key_gets_401_without_query(db, key, django_assert_num_queries):
    with django_assert_num_queries(0):
        response = Client().post(
            "/api/v1/telemetry", "{}", content_type="application/json", headers={"x-api-key": key}
        )
    assert response.status_code == 401
    assert response["www-authenticate"]


def test_ingest_key_without_scope_gets_403(organization_a, make_key):
    key = make_key(organization_a, ["robots:read"])
    response = Client().post(
        "/api/v1/telemetry", "{}", content_type="application/json", headers={"x-api-key": key}
    )
    assert response.status_code == 403


def test_ingest_user_session_gets_401(alice, client_for):
    response = client_for(alice).post("/api/v1/telemetry", "{}", content_type="application/json")
    assert response.status_code == 401


def test_ingest_wrong_method_or_content_type_is_rejected(send):
    assert Client().get("/api/v1/telemetry").status_code == 405
    assert send(b"{}").status_code == 400


def test_ingest_updates_last_seen(send, robot, organization_a, tenant):
    assert robot.status == "offline"
    send([point(robot)])
    with tenant(organization_a):
        robot.refresh_from_db()
    assert robot.status == "online"
    assert timezone.now() - robot.last_seen < timedelta(minutes=1)


def test_ingest_times_are_truncated_to_microseconds(send, robot, organization_a, tenant):
    base = (timezone.now() - timedelta(minutes=2)).strftime("%Y-%m-%dT%H:%M:")
    assert send([point(robot, time=f"{base}01.1234567Z")]).json()["accepted"] == 1
    with tenant(organization_a):
        assert RobotTelemetry.objects.get().time.microsecond == 123456
    assert send([point(robot, time=f"{base}01.1234569Z")]).json()["duplicate"] == 1


def test_ingest_metadata_keeps_time_strings(send, robot, organization_a, tenant):
    time = (timezone.now() - timedelta(minutes=2)).strftime("%Y-%m-%dT%H:%M:01.123456789Z")
    assert send([point(robot, time=time, metadata={"time": time})]).json()["accepted"] == 1
    with tenant(organization_a):
        stored_point = RobotTelemetry.objects.get()
    assert stored_point.metadata == {"time": time}
    assert stored_point.time.microsecond == 123456


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_decode_any_bytes_never_crashes(body):
    with contextlib.suppress(MalformedBatchError, TooManyPointsError):
        decode_json(body, max_points=5)


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.lists(_json, max_size=4))
def test_decode_keeps_index_of_every_point(items):
    batch = decode_json(json.dumps({"points": items}, allow_nan=False).encode(), max_points=10)
    indexes = [index for index, _ in batch.points] + [item.index for item in batch.rejected]
    assert sorted(indexes) == list(range(len(items)))


def test_query_count_is_independent_of_batch_size(send, robot, django_assert_max_num_queries):
    assert connection.vendor == "postgresql"
    with django_assert_max_num_queries(32) as few:
        send([point(robot, second) for second in range(2)])
    with django_assert_max_num_queries(len(few)):
        send([point(robot, second) for second in range(10, 200)])


@pytest.mark.parametrize("content_type", ["application/json", "application/x-ndjson"])
def test_ingest_ignores_byte_order_mark(content_type, robot, organization_a, make_key):
    one = json.dumps(point(robot))
    body = one if content_type.endswith("ndjson") else f'{{"points": [{one}]}}'
    response = Client().post(
        "/api/v1/telemetry",
        b"\xef\xbb\xbf" + body.encode(),
        content_type=content_type,
        headers={"x-api-key": make_key(organization_a)},
    )
    assert (response.status_code, response.json()["accepted"]) == (200, 1)


def test_api_ignores_byte_order_mark(alice, client_for):
    response = client_for(alice).post(
        "/api/v1/facilities", b'\xef\xbb\xbf{"name": "Hall"}', content_type="application/json"
    )
    assert response.status_code == 201


@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, 2**64 - 1, 10**30 + 1, 10**400])
def test_ingest_rejects_integer_that_is_not_exact(number, send, robot, tenant, organization_a):
    response = send([point(robot, 0, value=number), point(robot, 1, value=2**53)])

    assert response.status_code == 200
    (rejection,) = response.json()["rejected"]
    assert (rejection["index"], rejection["code"]) in {(0, "not_exact"), (0, "invalid")}
    assert stored(tenant, organization_a) == 1


def test_ingest_exact_large_integers_are_stored(send, robot, tenant, organization_a):
    values = [2**53, -(2**53), 2**63, 2**60 + 2**20]
    response = send([point(robot, second, value=value) for second, value in enumerate(values)])

    assert response.json() == {"accepted": 4, "duplicate": 0, "rejected": []}
    with tenant(organization_a):
        rows = RobotTelemetry.objects.order_by("time").values_list("value", flat=True)
        assert [int(value) for value in rows] == values


def test_ingest_normalizes_units_and_says_so(send, robot, tenant, organization_a):
    units = ["celsius", "Cel", "°C", "Degrees Celsius"]
    response = send([point(robot, second, unit=unit) for second, unit in enumerate(units)])

    assert response.json()["normalized_units"] == {
        "celsius": "Cel", "°C": "Cel", "Degrees Celsius": "Cel"
    }  # fmt: skip
    with tenant(organization_a):
        assert set(RobotTelemetry.objects.values_list("unit", flat=True)) == {"Cel"}


def test_unit_that_is_also_a_code_is_not_changed(send, robot, tenant, organization_a):
    assert "normalized_units" not in send([point(robot, unit="C")]).json()
    for codes in (["C", "Cel", "K", "m", "min", "d", "%", "bar", "unknown"],):
        assert [canonical_unit(code) for code in codes] == codes
