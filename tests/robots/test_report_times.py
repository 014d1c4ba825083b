"""Status reports with the robot's own time, against a model in plain Python."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from unittest.mock import patch

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from apps.organizations.models import Organization
from apps.robots.exceptions import ReportAheadError, ReportTooOldError
from apps.robots.models import Robot, RobotStatusHistory
from apps.robots.selectors.status_intervals import TimeRange, status_intervals, status_summary
from apps.robots.services.presence import (
    robot_presence_lost,
    robots_touch,
    robots_update_presence,
)
from apps.robots.services.status import robot_report_status
from tests.support.concurrency import run_concurrently
from tests.support.status_history import history_of
from urfmp.common.tenancy.context import tenant_transaction

GRACE = 60
STATUSES = ("idle", "running", "error")
STEP = 10
# Reports are made at whole steps, everything else happens between two steps.
steps = st.lists(
    st.one_of(
        st.tuples(st.just("report"), st.sampled_from(STATUSES), st.integers(-20, 12)),
        st.tuples(st.just("report now"), st.sampled_from(STATUSES), st.just(0)),
        st.tuples(st.just("touch"), st.just(""), st.just(0)),
        st.tuples(st.just("lose"), st.just(""), st.just(0)),
        st.tuples(st.just("wait"), st.just(""), st.sampled_from([1, 2, 5])),
        st.tuples(st.just("wait"), st.just(""), st.sampled_from([1, 2, 5])),
    ),
    max_size=16,
)


class Model:
    """Everything that is known of a robot, in the order of time and of arrival.

    The status history is what a walk over it shows: the newest report so far, or offline. Only a
    repeat without a time is not kept, unless it is the newest report.
    """

    def __init__(self, start):
        self.now = start
        self.entries = [(start, 0, "offline", "offline")]
        self.newest = None
        self.repeat = None
        self.last_seen = None
        self.is_lost = False

    def changes(self):
        """Return time and status of each change."""
        found, status = [], "online"
        for time, _, kind, reported in sorted(self.entries):
            if kind == "report":
                status = reported
            shown = "offline" if kind == "offline" else status
            if not found or found[-1][1] != shown:
                found.append((time, shown))
        return found

    def add(self, time, kind, status=""):
        self.entries.append((time, len(self.entries), kind, status))

    @property
    def shown(self):
        return self.changes()[-1][1]

    def _add_now(self, kind):
        """Add what the platform does, which is never before what it has shown."""
        reported = self.newest[0] if self.newest else self.now
        self.add(max(self.now, reported, self.changes()[-1][0]), kind)

    def touch(self):
        if self.last_seen is None or self.is_lost or self.now - self.last_seen > 5:
            self._contact()

    def _contact(self):
        self.last_seen, self.is_lost = self.now, False
        if self.shown == "offline":
            self._add_now("contact")

    def lose(self):
        self.is_lost = self.last_seen is not None
        if self.shown != "offline":
            self._add_now("offline")

    def mark_offline(self):
        is_silent = self.last_seen is None or self.now - self.last_seen > GRACE
        if is_silent and self.shown != "offline":
            self._add_now("offline")

    def report_now(self, status):
        time = self.now if self.newest is None else max(self.now, self.newest[0])
        self.newest = (time, status)
        self.last_seen, self.is_lost = self.now, False
        self.repeat = None
        if self.shown == status:
            is_stored = any((e[0], *e[2:]) == (time, "report", status) for e in self.entries)
            self.repeat = None if is_stored else (time, status)
        else:
            self.add(max(time, self.changes()[-1][0]), "report", status)

    def report(self, time, status):
        known = self.newest == (time, status) or any(
            (entry[0], *entry[2:]) == (time, "report", status) for entry in self.entries
        )
        if self.newest is None or time > self.newest[0] or (time == self.newest[0] and not known):
            self.newest = (time, status)
            self.repeat = None
            self.add(time, "report", status)
        elif not known:
            if self.repeat:
                self.add(min(self.repeat[0], self.last_seen), "report", self.repeat[1])
                self.repeat = None
            self.add(time, "report", status)
        self._contact()


def play(robot, plan, start, origin):
    """Carry out the plan in the database and in the model; return the model."""
    model = Model(start)
    is_mixed = any(kind == "report now" for kind, _, _ in plan)

    def at(seconds):
        return origin + timedelta(seconds=seconds)

    for kind, status, number in plan:
        with patch("apps.robots.services.status.timezone.now", lambda: at(model.now)):
            if kind == "report":
                time = (model.now // STEP + number) * STEP
                # The order of reports with and without a time is only defined for a right clock.
                if time > model.now and is_mixed:
                    continue
                robot_report_status(robot_id=robot.pk, status=status, robot_time=at(time))
                model.report(time, status)
            elif kind == "report now":
                robot_report_status(robot_id=robot.pk, status=status)
                model.report_now(status)
            elif kind == "touch":
                robots_touch([robot.pk])
                model.touch()
            elif kind == "lose":
                robot_presence_lost(robot_id=robot.pk)
                model.lose()
            else:
                model.now += number * STEP
        with patch("apps.robots.services.status.timezone.now", lambda: at(model.now)):
            robots_update_presence()
        model.mark_offline()
    return model


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(plan=steps)
@example(plan=[("report", "running", 0), ("report", "error", -12), ("report", "idle", -20)])
@example(plan=[("report", "idle", 0), ("wait", "", 5), ("touch", "", 0), ("report", "error", -3)])
@example(plan=[("report", "idle", 0), ("report", "running", 0), ("report", "idle", 0)])
@example(plan=[("report", "idle", 0), ("lose", "", 0), ("report", "error", -3), ("touch", "", 0)])
@example(plan=[("report", "idle", 0), ("report", "idle", 3), ("report", "error", 1)])
@example(plan=[("report", "error", 12), ("wait", "", 5), ("report", "idle", 2)])
def test_history_matches_model(plan, organization_a, make_robot, tenant):
    with tenant(organization_a), transaction.atomic():
        robot = make_robot(organization_a)
        origin = timezone.now() - timedelta(days=1)
        registered = _move_first_row(robot, origin + timedelta(seconds=5))
        model = play(robot, plan, 5, origin)
        rows = [
            ((time - origin) // timedelta(seconds=1), previous, status)
            for time, previous, status in RobotStatusHistory.objects.filter(robot_id=robot.pk)
            .order_by("time")
            .values_list("time", "previous_status", "status")
        ]
        robot.refresh_from_db()
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT status, extract(epoch FROM status_changed_at - %s)::int"
                " FROM robot_status_current WHERE robot_id = %s",
                [origin, robot.pk],
            )
            view = cursor.fetchone()
        span = TimeRange.of(origin - timedelta(hours=1), origin + timedelta(hours=1))
        summary = status_summary([robot.pk], span)
        intervals = status_intervals([robot.pk], span)[robot.pk]
        transaction.set_rollback(True)

    assert registered
    changes = model.changes()
    assert [(time, status) for time, _, status in rows] == changes, plan
    assert [previous for _, previous, _ in rows] == [None, *(status for _, status in changes[:-1])]
    assert view == (changes[-1][1], changes[-1][0])
    assert robot.status == changes[-1][1]
    if model.newest:
        assert robot.reported_status == model.newest[1]
        assert robot.reported_at == origin + timedelta(seconds=model.newest[0])
    assert sum((item.time for item in summary.statuses), timedelta()) == span.end - (
        origin + timedelta(seconds=changes[0][0])
    )
    assert all(first.end == second.start for first, second in pairwise(intervals))


def _move_first_row(robot, time):
    """Replace the row of registration, which has the time of the clock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT forget_first_status(%s)", [[robot.pk]])
        cursor.execute(
            "INSERT INTO robot_status_history (time, robot_id, status) VALUES (%s, %s, 'offline')",
            [time, robot.pk],
        )
    return True


@pytest.fixture
def robot(organization_a, make_robot):
    return make_robot(organization_a)


def test_older_report_leaves_status(robot, organization_a, tenant):
    now = timezone.now()
    with tenant(organization_a):
        robot_report_status(robot_id=robot.pk, status="running", robot_time=now)
        for age in (timedelta(minutes=2), timedelta(days=400)):
            shown = robot_report_status(robot_id=robot.pk, status="error", robot_time=now - age)
            assert shown.status == "running"
        rows = RobotStatusHistory.objects.filter(robot_id=robot.pk).order_by("time")
        assert rows[0].time == now - timedelta(days=400)
        assert [status for _, status, _ in history_of(robot)] == ["error", "offline", "running"]


@pytest.mark.parametrize(
    ("age", "error"),
    [
        (timedelta(minutes=-6), ReportAheadError),
        (timedelta(days=-400), ReportAheadError),
        (timedelta(days=732), ReportTooOldError),
    ],
)
def test_time_out_of_bounds_is_rejected(age, error, robot, organization_a, tenant):
    with tenant(organization_a):
        with pytest.raises(error):
            robot_report_status(robot_id=robot.pk, status="idle", robot_time=timezone.now() - age)
        robot.refresh_from_db()
        assert (robot.status, robot.last_seen) == ("offline", None)
        assert len(history_of(robot)) == 1


def test_report_older_than_retention_is_rejected(robot, organization_a, tenant):
    with tenant(organization_a):
        Organization.objects.filter(pk=organization_a.pk).update(
            settings={"status_history_retention_days": 10}
        )
        robot_report_status(
            robot_id=robot.pk, status="idle", robot_time=timezone.now() - timedelta(days=9)
        )
        with pytest.raises(ReportTooOldError):
            robot_report_status(
                robot_id=robot.pk, status="idle", robot_time=timezone.now() - timedelta(days=12)
            )


def test_late_report_during_maintenance_writes_no_row(robot, organization_a, tenant):
    now = timezone.now()
    with tenant(organization_a):
        Robot.objects.filter(pk=robot.pk).update(maintenance_locked_at=now)
        robot_report_status(robot_id=robot.pk, status="running", robot_time=now)
        locked = RobotStatusHistory.objects.get(robot_id=robot.pk, status="maintenance").time
        Robot.objects.filter(pk=robot.pk).update(maintenance_locked_at=None)
        robot_report_status(
            robot_id=robot.pk, status="running", robot_time=locked + timedelta(seconds=60)
        )
        robot_report_status(
            robot_id=robot.pk, status="error", robot_time=locked + timedelta(seconds=30)
        )
        robot_report_status(
            robot_id=robot.pk, status="idle", robot_time=now - timedelta(seconds=60)
        )
        assert [status for _, status, _ in history_of(robot)] == [
            "idle", "offline", "maintenance", "running",
        ]  # fmt: skip


def test_repeat_becomes_row_again_with_its_reason(robot, organization_a, tenant):
    now = timezone.now()
    with tenant(organization_a):
        for status, age, reason in (("idle", 60, None), ("error", 20, "C153"), ("error", 40, None)):
            robot_report_status(
                robot_id=robot.pk,
                status=status,
                robot_time=now - timedelta(seconds=age),
                reason=reason,
                metadata={"age": age},
            )
        rows = RobotStatusHistory.objects.filter(
            robot_id=robot.pk, time__lt=now - timedelta(seconds=10)
        ).order_by("time")
        assert [row.metadata["age"] for row in rows if row.metadata] == [60, 40]
        robot_report_status(
            robot_id=robot.pk, status="running", robot_time=now - timedelta(seconds=30)
        )
        assert [(row.status, row.reason) for row in rows.all()] == [
            ("idle", None), ("error", None), ("running", None), ("error", "C153"),
        ]  # fmt: skip


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    reports=st.dictionaries(
        st.integers(0, 200), st.sampled_from(STATUSES), min_size=1, max_size=30
    ).flatmap(lambda found: st.permutations(list(found.items())))
)
def test_reports_in_any_order_leave_one_history(reports, organization_a, make_robot, tenant):
    with tenant(organization_a), transaction.atomic():
        robot = make_robot(organization_a)
        now = timezone.now()
        for second, status in reports:
            robot_report_status(
                robot_id=robot.pk, status=status, robot_time=now + timedelta(seconds=second)
            )
        rows = RobotStatusHistory.objects.filter(robot_id=robot.pk, time__gte=now)
        found = list(rows.exclude(status="offline").order_by("time").values_list("time", "status"))
        transaction.set_rollback(True)

    expected: list[tuple[int, str]] = []
    for second, status in sorted(reports):
        if not expected or expected[-1][1] != status:
            expected.append((second, status))
    assert [status for _, status in found] == [status for _, status in expected], reports
    assert [time for time, _ in found] == [now + timedelta(seconds=s) for s, _ in expected]


@pytest.mark.django_db(transaction=True)
def test_concurrent_reports_in_any_order_leave_newest(robot, organization_a):
    now = timezone.now()

    def report(offsets):
        def run():
            for offset in offsets:
                with tenant_transaction(organization_a.id):
                    robot_report_status(
                        robot_id=robot.pk,
                        status=STATUSES[offset % 3],
                        robot_time=now + timedelta(seconds=offset),
                    )

        return run

    outcome = run_concurrently(report(range(0, 30, 2)), report(range(29, 0, -2)))

    assert outcome == [None, None]
    with tenant_transaction(organization_a.id):
        rows = history_of(robot)
        robot.refresh_from_db()
    assert [status for _, status, _ in rows[1:]] == [STATUSES[n % 3] for n in range(30)], rows
    assert (robot.status, robot.reported_at) == (STATUSES[29 % 3], now + timedelta(seconds=29))


def test_reserved_metadata_is_rejected(robot, organization_a, make_key):
    from django.test import Client

    response = Client().post(
        "/api/v1/device/status",
        {"status": "idle", "metadata": {"reported_at": "x"}},
        content_type="application/json",
        headers={"x-api-key": make_key(organization_a, robot=robot)},
    )
    assert (response.status_code, response.json()["code"]) == (400, "invalid")


@pytest.mark.parametrize(
    ("time", "code"), [("2200-01-01T00:00:00Z", "clock_skew"), ("2001-01-01T00:00:00Z", "too_old")]
)
def test_api_names_reason_of_rejection(time, code, robot, organization_a, make_key, client):
    response = client.post(
        "/api/v1/device/status",
        {"status": "idle", "time": time},
        content_type="application/json",
        headers={"x-api-key": make_key(organization_a, robot=robot)},
    )
    assert (response.status_code, response.json()["code"]) == (400, code)
    assert datetime.now(UTC).year < 2200
