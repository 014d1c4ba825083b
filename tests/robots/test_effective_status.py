"""The effective status against a model in plain Python."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from unittest.mock import patch

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from apps.organizations.models import Organization
from apps.robots.choices import ReportedStatus
from apps.robots.models import Robot, RobotStatusHistory
from apps.robots.models.status import effective_status
from apps.robots.services.presence import (
    robot_presence_lost,
    robots_touch,
    robots_update_presence,
)
from apps.robots.services.status import robot_report_status

SECOND = timedelta(seconds=1)


class Model(RuleBasedStateMachine):
    """The status changes on a message, or when the job finds a robot whose status is due.

    Latch and lock are set without a service; the next message or run of the job applies them.
    """

    make = None  # registers a robot; set by the test

    def __init__(self):
        super().__init__()
        self.robot = type(self).make()
        self.now = timezone.now()
        self.reported = "online"
        self.effective = "offline"
        self.last_seen: datetime | None = None
        self.latched = self.locked = self.lost = False
        self.own_grace = self.shared_grace = None
        self.history = [(None, "offline")]

    def _act(self, call):
        with patch("django.utils.timezone.now", lambda: self.now):
            return call()

    def _due(self):
        if self.latched:
            return "emergency_stop"
        if self.locked:
            return "maintenance"
        return "offline" if self._is_stale() else self.reported

    def _update(self):
        if (status := self._due()) != self.effective:
            self.history.append((self.effective, status))
            self.effective = status

    def _is_stale(self):
        grace = self.own_grace or self.shared_grace or 60
        return self.last_seen is None or self.lost or self.now - self.last_seen > grace * SECOND

    @rule(seconds=st.sampled_from([0.5, 4, 5, 6, 9.5, 29, 59, 60, 61, 300]))
    def time_passes(self, seconds):
        self.now += timedelta(seconds=seconds)

    @rule(status=st.sampled_from(ReportedStatus.values))
    def report(self, status):
        self.reported, self.last_seen, self.lost = status, self.now, False
        self._update()
        effective = self._act(
            lambda: robot_report_status(robot_id=self.robot.pk, status=status)
        ).status
        assert effective == self.effective

    @rule()
    def touch(self):
        due = self.last_seen is None or self.lost or self.now - self.last_seen > 5 * SECOND
        if due:
            self.last_seen, self.lost = self.now, False
            self._update()
        assert self._act(lambda: robots_touch([self.robot.pk])) == int(due)

    @rule(seconds_ago=st.sampled_from([None, 0, 1, 100]))
    def lose_presence(self, seconds_ago):
        lost_at = None if seconds_ago is None else self.now - seconds_ago * SECOND
        known = self.last_seen is not None and not self.lost
        recorded = known and (lost_at is None or self.last_seen <= lost_at)
        if recorded:
            self.lost = True
            self._update()
        lose = partial(robot_presence_lost, robot_id=self.robot.pk, lost_at=lost_at)
        assert self._act(lose) is recorded

    @rule(is_killed=st.booleans())
    def run_job(self, is_killed):
        """A job that is killed before it commits leaves everything to the next run."""
        if is_killed:
            with suppress(_KilledError), transaction.atomic():
                self._act(robots_update_presence)
                raise _KilledError
            return
        due = self._due() != self.effective
        self._update()
        assert self._act(robots_update_presence) == int(due)
        assert self._act(robots_update_presence) == 0

    @rule(on=st.booleans())
    def latch(self, on):
        self.latched = on
        self._set(stop_latched_at=self.now if on else None)

    @rule(on=st.booleans())
    def lock(self, on):
        self.locked = on
        self._set(maintenance_locked_at=self.now if on else None)

    @rule(seconds=st.sampled_from([None, 5, 10, 300]))
    def set_own_grace(self, seconds):
        self.own_grace = seconds
        self._set(offline_after_seconds=seconds)

    @rule(seconds=st.sampled_from([None, 5, 30, 400]))
    def set_shared_grace(self, seconds):
        self.shared_grace = seconds
        values = {} if seconds is None else {"offline_after_seconds": seconds}
        Organization.objects.update(settings=values)

    def _set(self, **values):
        Robot.objects.filter(pk=self.robot.pk).update(**values)

    @invariant()
    def agrees(self):
        row = Robot.objects.get(pk=self.robot.pk)
        assert (row.status, row.reported_status) == (self.effective, self.reported)
        assert (row.last_seen, row.presence_lost_at is not None) == (self.last_seen, self.lost)
        assert effective_status(row, self.now) == self._due()
        rows = RobotStatusHistory.objects.filter(robot_id=self.robot.pk).order_by("time")
        assert list(rows.values_list("previous_status", "status")) == self.history
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT status FROM robot_status_current WHERE robot_id = %s", [self.robot.pk]
            )
            assert cursor.fetchall() == [(self.effective,)]

    def teardown(self):
        Robot.objects.all().delete()
        Organization.objects.update(settings={})


class _KilledError(Exception):
    """Ends a job before it commits."""


@pytest.mark.django_db
def test_status_matches_model(organization_a, make_robot, tenant):
    with tenant(organization_a):
        Model.make = staticmethod(lambda: make_robot(organization_a))
        run_state_machine_as_test(
            Model,
            settings=hypothesis_settings(
                max_examples=40,
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
