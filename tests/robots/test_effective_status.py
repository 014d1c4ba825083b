"""The effective status against a model in plain Python."""

from __future__ import annotations

from datetime import datetime, timedelta
from unittest.mock import patch

import pytest
from django.conf import settings
from django.utils import timezone
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from apps.robots.choices import ReportedStatus
from apps.robots.models import Robot, RobotStatusHistory
from apps.robots.services.status import robot_report_status, robots_mark_offline, robots_touch


class Model(RuleBasedStateMachine):
    """The status changes only on a message, or when the job finds a stale robot."""

    make = None  # registers a robot; set by the test

    def __init__(self):
        super().__init__()
        self.robot = type(self).make()
        self.now = timezone.now()
        self.reported = "online"
        self.effective = "offline"
        self.last_seen: datetime | None = None
        self.latched = self.locked = False
        self.history = [(None, "offline")]

    def _act(self, call):
        with patch("apps.robots.services.status.timezone.now", lambda: self.now):
            return call()

    def _update(self):
        if self.latched:
            status = "emergency_stop"
        elif self.locked:
            status = "maintenance"
        elif self._is_stale():
            status = "offline"
        else:
            status = self.reported
        if status != self.effective:
            self.history.append((self.effective, status))
            self.effective = status

    def _is_stale(self):
        grace = settings.ROBOT_OFFLINE_AFTER
        return self.last_seen is None or self.now - self.last_seen > grace

    @rule(seconds=st.sampled_from([0.5, 4, 5, 6, 29, 30, 31, 300]))
    def time_passes(self, seconds):
        self.now += timedelta(seconds=seconds)

    @rule(status=st.sampled_from(ReportedStatus.values))
    def report(self, status):
        self.reported, self.last_seen = status, self.now
        self._update()
        effective = self._act(
            lambda: robot_report_status(robot_id=self.robot.pk, status=status)
        ).status
        assert effective == self.effective

    @rule()
    def touch(self):
        stale = self.last_seen is None or self.now - self.last_seen > timedelta(seconds=5)
        if stale:
            self.last_seen = self.now
            self._update()
        assert self._act(lambda: robots_touch([self.robot.pk])) == int(stale)

    @rule()
    def mark_offline(self):
        due = self._is_stale() and not (self.latched or self.locked) and self.effective != "offline"
        if due:
            self._update()
        assert self._act(robots_mark_offline) == int(due)

    @rule(on=st.booleans())
    def latch(self, on):
        self.latched = on
        self._set(stop_latched_at=self.now if on else None)

    @rule(on=st.booleans())
    def lock(self, on):
        self.locked = on
        self._set(maintenance_locked_at=self.now if on else None)

    def _set(self, **values):
        Robot.objects.filter(pk=self.robot.pk).update(**values)

    @invariant()
    def agrees(self):
        row = Robot.objects.get(pk=self.robot.pk)
        assert (row.status, row.reported_status) == (self.effective, self.reported)
        assert row.last_seen == self.last_seen
        rows = RobotStatusHistory.objects.filter(robot_id=self.robot.pk).order_by("time")
        assert list(rows.values_list("previous_status", "status")) == self.history

    def teardown(self):
        Robot.objects.all().delete()


@pytest.mark.django_db
def test_status_matches_model(organization_a, make_robot, tenant):
    with tenant(organization_a):
        Model.make = staticmethod(lambda: make_robot(organization_a))
        run_state_machine_as_test(
            Model,
            settings=hypothesis_settings(
                max_examples=25,
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
