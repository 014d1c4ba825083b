"""Points are deleted and replaced on purpose, and everything computed from them follows."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from datetime import timedelta

import psycopg
import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.audit.models import AuditLog
from apps.robots.models import Robot
from apps.telemetry.exceptions import (
    InvalidRangeError,
    PointsChangedError,
    RangeTooLargeError,
    UnknownPointsError,
)
from apps.telemetry.models import RobotTelemetry
from apps.telemetry.models.rollups import LEVELS
from apps.telemetry.protocols.points import DecodedBatch, Point
from apps.telemetry.selectors import RESOLUTIONS, latest_values
from apps.telemetry.services.corrections import (
    points_delete,
    points_delete_preview,
    points_replace,
    points_replace_preview,
)
from apps.telemetry.services.pending_work import organizations_with_pending_work
from apps.telemetry.services.rollup_check import rollups_check
from apps.telemetry.services.rollups import roll_up, rollups_lock
from apps.telemetry.services.telemetry import telemetry_ingest
from tests.support.concurrency import run_concurrently, wait_for_blocked_lock
from tests.support.telemetry_fleet import BASE, BATCHES, METRICS, TelemetryFleet
from tests.support.telemetry_points import insert_points
from urfmp.common.tenancy.context import Actor, tenant_transaction

START = (timezone.now() - timedelta(days=20)).replace(hour=10, minute=0, second=0, microsecond=0)
METRIC = "power.total"
SECOND = timedelta(seconds=1)


def at(seconds):
    return START + timedelta(seconds=seconds)


@pytest.fixture
def robot(organization_a, make_robot):
    return make_robot(organization_a)


@pytest.fixture
def store(robot):
    """Return a function that inserts points `(seconds, value)` and rolls them up."""

    def write(points, *, work=True, metric=METRIC):
        insert_points(robot, metric, [(at(second), value) for second, value in points])
        while work and roll_up(robot.organization_id):
            pass

    return write


@pytest.fixture
def delete(robot, alice):
    def call(start, end, **arguments):
        with tenant_transaction(robot.organization_id, Actor(user_id=alice.pk)):
            return points_delete(
                robot,
                metric_name=METRIC,
                start=at(start),
                end=at(end),
                **{"reason": "sensor fault", **arguments},
            )

    return call


@pytest.fixture
def replace(robot, alice):
    def call(values, **arguments):
        with tenant_transaction(robot.organization_id, Actor(user_id=alice.pk)):
            return points_replace(
                robot,
                metric_name=METRIC,
                values={at(second): value for second, value in values.items()},
                **{"reason": "wrong scale", **arguments},
            )

    return call


def stored(robot):
    with tenant_transaction(robot.organization_id):
        return [
            ((row.time - START).total_seconds(), row.value)
            for row in RobotTelemetry.objects.order_by("time")
        ]


def latest(robot):
    with tenant_transaction(robot.organization_id):
        return [(value.time, value.value) for value in latest_values([robot.pk])]


def counts(robot):
    with tenant_transaction(robot.organization_id), connection.cursor() as cursor:
        found = []
        for level in LEVELS:
            cursor.execute(
                f"SELECT count FROM {level.table} WHERE robot_id = %s ORDER BY bucket", [robot.pk]
            )
            found.append([count for (count,) in cursor.fetchall()])
        return found


def record(robot, action):
    with tenant_transaction(robot.organization_id):
        return AuditLog.objects.get(action=action)


# Deleting


def test_delete_range_removes_points_rollups_and_latest_value(store, robot, delete):
    store([(0, 1.0), (30, 2.0), (60, 3.0), (3600, 4.0), (90_000, 5.0)])
    deleted = delete(60, 90_001)
    assert (deleted.points, deleted.minimum, deleted.maximum) == (3, 3.0, 5.0)
    assert (deleted.first_time, deleted.last_time) == (at(60), at(90_000))
    assert stored(robot) == [(0, 1.0), (30, 2.0)]
    assert counts(robot) == [[2], [2], [2]]
    assert latest(robot) == [(at(30), 2.0)]
    assert list(rollups_check(robot.organization_id)) == []
    assert organizations_with_pending_work() == []


def test_delete_part_of_bucket_recomputes_it(store, robot, delete):
    store([(0, 1.0), (30, 99.0), (59, 3.0)])
    delete(30, 31)
    assert counts(robot) == [[2], [2], [2]]
    assert list(rollups_check(robot.organization_id)) == []


def test_delete_whole_series_leaves_nothing(store, robot, delete):
    store([(0, 1.0), (90_000, 2.0)])
    delete(-1, 90_001)
    assert counts(robot) == [[], [], []]
    assert latest(robot) == []
    assert list(rollups_check(robot.organization_id)) == []


def test_delete_before_roll_up_leaves_nothing_to_roll_up(store, robot, delete):
    store([(0, 1.0), (600, 2.0)], work=False)
    delete(0, 1)
    while roll_up(robot.organization_id):
        pass
    assert counts(robot) == [[1], [1], [1]]
    assert list(rollups_check(robot.organization_id)) == []


def test_delete_leaves_other_series(store, robot, delete, make_robot, organization_a):
    store([(0, 1.0)], metric="other.metric")
    other = make_robot(organization_a)
    insert_points(other, METRIC, [(START, 2.0)])
    store([(0, 3.0)])
    delete(0, 1)
    assert sorted(value for _, value in stored(robot)) == [1.0, 2.0]


def test_delete_writes_audit_row(store, robot, delete, alice):
    store([(0, 1.0), (1, 2.5)])
    deleted = delete(0, 2, reason="  sensor \n fault ")
    row = record(robot, "telemetry.points.delete")
    assert (row.user_id, row.resource_type, row.resource_id) == (alice.pk, "robot", robot.pk)
    assert row.request_data["reason"] == "sensor fault"
    assert row.request_data["metric_name"] == METRIC
    assert row.response_data["points"] == 2
    assert [point["value"] for point in row.response_data["values"]] == [1.0, 2.5]
    lines = f"{START:%Y-%m-%dT%H:%M:%S}.000000Z,1,W\n{at(1):%Y-%m-%dT%H:%M:%S}.000000Z,2.5,W\n"
    assert row.response_data["digest"] == hashlib.sha256(lines.encode()).hexdigest()
    assert deleted.digest == row.response_data["digest"]


def test_delete_many_points_audits_no_values(store, robot, delete):
    store([(second, 1.0) for second in range(1001)])
    delete(0, 1001)
    row = record(robot, "telemetry.points.delete")
    assert row.response_data["points"] == 1001
    assert "values" not in row.response_data


def test_delete_nothing_writes_no_audit_row(store, robot, delete):
    store([(0, 1.0)])
    assert delete(10, 20).points == 0
    with tenant_transaction(robot.organization_id):
        assert not AuditLog.objects.filter(action="telemetry.points.delete").exists()


def test_delete_other_number_than_expected_changes_nothing(store, robot, delete):
    store([(0, 1.0), (1, 2.0)])
    with pytest.raises(PointsChangedError, match="2 points, not 1"):
        delete(0, 2, expected_points=1)
    assert len(stored(robot)) == 2
    assert list(rollups_check(robot.organization_id)) == []
    with tenant_transaction(robot.organization_id):
        assert not AuditLog.objects.filter(action="telemetry.points.delete").exists()


@pytest.mark.parametrize("reason", ["", " \n ", "x" * 501])
def test_delete_without_reason_is_invalid(store, robot, delete, reason):
    store([(0, 1.0)])
    with pytest.raises(ValidationError):
        delete(0, 1, reason=reason)
    assert len(stored(robot)) == 1


def test_delete_empty_range_is_invalid(delete):
    with pytest.raises(InvalidRangeError):
        delete(1, 1)


def test_delete_too_many_points_is_rejected(store, robot, delete):
    with tenant_transaction(robot.organization_id), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO robot_telemetry (time, robot_id, metric_name, value)"
            " SELECT %s + n * interval '1 ms', %s, %s, n FROM generate_series(0, 100000) AS n",
            [START, robot.pk, METRIC],
        )
    with pytest.raises(RangeTooLargeError):
        delete(0, 101)
    with tenant_transaction(robot.organization_id), pytest.raises(RangeTooLargeError):
        points_delete_preview(robot, metric_name=METRIC, start=START, end=at(101))
    assert delete(0, 100).points == 100_000


def test_delete_preview_counts_and_changes_nothing(store, robot):
    store([(0, 1.0), (1, 5.0), (2, 9.0)])
    with tenant_transaction(robot.organization_id):
        preview = points_delete_preview(robot, metric_name=METRIC, start=START, end=at(2))
    assert (preview.points, preview.minimum, preview.maximum) == (2, 1.0, 5.0)
    assert len(stored(robot)) == 3


def test_deleted_point_can_be_stored_again(store, robot, delete, organization_a):
    store([(0, 1.0)])
    delete(0, 1)
    point = Point(METRIC, START, 7.0, robot_id=robot.pk)
    result = telemetry_ingest(
        organization_id=organization_a.id, decode=lambda: DecodedBatch([(0, point)])
    )
    assert (result.accepted, result.duplicate, result.rejected) == (1, 0, [])


# Replacing


def test_replace_changes_values_rollups_and_latest_value(store, robot, replace):
    store([(0, 1.0), (30, 200.0), (3600, 300.0)])
    replaced = replace({30: 2.0, 3600: 3.0})
    assert (replaced.points, replaced.minimum, replaced.maximum) == (2, 200.0, 300.0)
    assert stored(robot) == [(0, 1.0), (30, 2.0), (3600, 3.0)]
    assert latest(robot) == [(at(3600), 3.0)]
    assert list(rollups_check(robot.organization_id)) == []


def test_replace_unknown_time_changes_nothing(store, robot, replace):
    store([(0, 1.0)])
    with pytest.raises(UnknownPointsError, match=r"No points are stored at .*10:00:01"):
        replace({0: 5.0, 1: 6.0})
    assert stored(robot) == [(0, 1.0)]


def test_replace_writes_old_and_new_values_to_audit_row(store, robot, replace):
    store([(0, 1.0)])
    replace({0: 5.0})
    row = record(robot, "telemetry.points.replace")
    (value,) = row.response_data["values"]
    assert (value["value"], value["new_value"]) == (1.0, 5.0)


@pytest.mark.parametrize(
    "values", [{}, {0: float("nan")}, {0: float("inf")}, dict.fromkeys(range(1001), 0.0)]
)
def test_replace_invalid_values_are_rejected(store, robot, replace, values):
    store([(0, 1.0)])
    with pytest.raises(ValidationError):
        replace(values)
    assert stored(robot) == [(0, 1.0)]


def test_replace_preview_changes_nothing(store, robot):
    store([(0, 1.0), (1, 2.0)])
    with tenant_transaction(robot.organization_id):
        preview = points_replace_preview(robot, metric_name=METRIC, values={at(1): 9.0})
    assert (preview.points, preview.minimum) == (1, 2.0)
    assert stored(robot) == [(0, 1.0), (1, 2.0)]


def test_replaced_point_keeps_its_value_when_sent_again(store, robot, replace, organization_a):
    store([(0, 1.0)])
    replace({0: 5.0})
    point = Point(METRIC, START, 1.0, unit="W", robot_id=robot.pk)
    result = telemetry_ingest(
        organization_id=organization_a.id, decode=lambda: DecodedBatch([(0, point)])
    )
    assert [rejection.code for rejection in result.rejected] == ["conflict"]
    assert stored(robot) == [(0, 5.0)]


# The database alone


def test_run_time_role_cannot_change_points_itself(store, robot):
    store([(0, 1.0)])
    for statement in ("DELETE FROM robot_telemetry", "UPDATE robot_telemetry SET value = 0"):
        with (
            pytest.raises(Exception, match="permission denied"),
            tenant_transaction(robot.organization_id),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)


@pytest.mark.parametrize("organization", ["organization_b", None])
def test_functions_reject_robots_of_other_organizations(
    store, robot, app_cursor, organization, request
):
    own = request.getfixturevalue(organization) if organization else None
    app_cursor.execute(
        "SELECT set_config('app.organization_id', %s, true)", [str(own.id) if own else ""]
    )
    for call in (
        "telemetry_points_delete(%s, 'power.total', '-infinity', 'infinity', 'x')",
        "telemetry_points_replace(%s, 'power.total', ARRAY[now()], ARRAY[1.0], 'x')",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app_cursor.execute(f"SELECT {call}", [robot.pk])
        app_cursor.connection.rollback()
        app_cursor.execute(
            "SELECT set_config('app.organization_id', %s, true)", [str(own.id) if own else ""]
        )


def test_functions_require_a_reason(store, robot):
    store([(0, 1.0)])
    with (
        pytest.raises(Exception, match="needs a reason"),
        tenant_transaction(robot.organization_id),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "SELECT telemetry_points_delete(%s, %s, '-infinity', 'infinity', ' ')",
            [robot.pk, METRIC],
        )


def test_replace_function_rejects_too_many_points(store, robot):
    with (
        pytest.raises(Exception, match="at most 1000 points"),
        tenant_transaction(robot.organization_id),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "SELECT telemetry_points_replace(%s, %s, array_agg(now()), array_agg(1.0), 'x')"
            " FROM generate_series(0, 1000)",
            [robot.pk, METRIC],
        )


# Against the model

RANGES = st.tuples(
    st.integers(0, 1),
    st.sampled_from(METRICS),
    st.one_of(st.integers(-10, 300), st.integers(0, 9 * 86_400)),
    st.sampled_from([1, 30, 120, 3700, 100_000, 900_000]),
)
STEPS = st.lists(
    st.one_of(
        st.sampled_from(["send", "again", "work", "some work", "clean"]),
        st.tuples(st.just("delete"), RANGES),
        st.tuples(st.just("replace"), RANGES, st.integers(-5, 5)),
    ),
    min_size=4,
    max_size=14,
)


class CorrectedFleet(TelemetryFleet):
    """Corrects points as well."""

    def correct(self, step, tenant):
        kind, (number, metric, first, length), *new_value = step
        robot_id = self.robots[number]
        start = BASE + timedelta(seconds=first)
        end = start + timedelta(seconds=length)
        with tenant(self.organization):
            robot = Robot.objects.get(pk=robot_id)
            if kind == "delete":
                deleted = points_delete(
                    robot, metric_name=metric, start=start, end=end, reason="model"
                )
                assert deleted.points == len(self.model.delete(robot_id, metric, start, end))
                return
            times = [t for t in self.model.points[robot_id, metric] if start <= t < end]
            if values := {t: float(new_value[0]) for t in times[:5]}:
                points_replace(robot, metric_name=metric, values=values, reason="model")
                self.model.replace(robot_id, metric, values)


@pytest.fixture
def fleet(organization_a, make_robot, make_key):
    robots = [make_robot(organization_a) for _ in range(2)]
    return organization_a, [robot.pk for robot in robots], make_key(organization_a)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(batches=BATCHES, steps=STEPS, seed=st.integers(0, 10_000))
def test_reads_match_model_of_corrected_points(batches, steps, seed, fleet, tenant):
    with transaction.atomic():
        system = CorrectedFleet(*fleet, random.Random(seed))
        system.send(batches.pop())
        for step in steps:
            if isinstance(step, tuple):
                system.correct(step, tenant)
            else:
                system.step(step, batches)
            system.check(tenant)
        system.step("work", batches)
        system.check(tenant, len(RESOLUTIONS))
        with tenant(system.organization):
            system.check_rollups()
        assert organizations_with_pending_work() == []
        transaction.set_rollback(True)


# Concurrency


@pytest.mark.django_db(transaction=True)
def test_delete_waits_for_worker(store, robot, delete, organization_a):
    store([(0, 1.0)])
    held = threading.Event()

    def work():
        with tenant_transaction(organization_a.id):
            rollups_lock(organization_a.id, wait=True)
            held.set()
            wait_for_blocked_lock()
            return len(stored(robot))

    def correct():
        assert held.wait(30)
        return delete(0, 1).points

    assert run_concurrently(work, correct) == [1, 1]
    assert stored(robot) == []


@pytest.mark.django_db(transaction=True)
def test_corrections_during_ingest_leave_exact_rollups(store, robot, organization_a, alice):
    """Senders, a worker and corrections run at the same time."""
    store([(second, 1.0) for second in range(0, 900, 3)])
    ended = threading.Event()

    def send(offset):
        sent = 0
        for first in range(offset, 900, 30):
            points = [
                (n, Point(METRIC, at(first + n), float(n), robot_id=robot.pk))
                for n in range(0, 30, 3)
            ]
            result = telemetry_ingest(
                organization_id=organization_a.id, decode=lambda points=points: DecodedBatch(points)
            )
            sent += result.accepted
        return sent

    def work():
        while not ended.is_set():
            roll_up(organization_a.id)
            time.sleep(0.01)

    def correct():
        total = 0
        try:
            for first in [*range(0, 900, 60), *range(0, 900, 90)]:
                with tenant_transaction(organization_a.id, Actor(user_id=alice.pk)):
                    total += points_delete(
                        robot,
                        metric_name=METRIC,
                        start=at(first),
                        end=at(first + 45),
                        reason="race",
                    ).points
                with tenant_transaction(organization_a.id, Actor(user_id=alice.pk)):
                    row = RobotTelemetry.objects.filter(time__gte=at(first + 45)).first()
                    if row is not None:
                        points_replace(
                            robot, metric_name=METRIC, values={row.time: -7.0}, reason="race"
                        )
        finally:
            ended.set()
        return total

    *sent, deleted, nothing = run_concurrently(
        lambda: send(0), lambda: send(1), lambda: send(2), correct, work
    )
    assert nothing is None
    assert all(isinstance(count, int) for count in (*sent, deleted)), (sent, deleted)
    assert len(stored(robot)) == 300 + sum(sent) - deleted
    assert list(rollups_check(organization_a.id)) == []
    assert organizations_with_pending_work() == []
