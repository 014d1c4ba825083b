"""The shown status against a model of it in plain Python."""

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
    """What is shown changes only when something is heard, or a sweep finds silence."""

    make = None  # a function that registers a robot; the test sets it

    def __init__(self):
        super().__init__()
        self.robot = type(self).make()
        self.now = timezone.now()
        self.reported = "online"
        self.shown = "offline"
        self.last_seen: datetime | None = None
        self.latched = self.locked = False
        self.history = [(None, "offline")]

    def _act(self, call):
        with patch("apps.robots.services.robots.timezone.now", lambda: self.now):
            return call()

    def _show(self):
        if self.latched:
            status = "emergency_stop"
        elif self.locked:
            status = "maintenance"
        elif self._silent():
            status = "offline"
        else:
            status = self.reported
        if status != self.shown:
            self.history.append((self.shown, status))
            self.shown = status

    def _silent(self):
        grace = settings.ROBOT_OFFLINE_AFTER
        return self.last_seen is None or self.now - self.last_seen > grace

    @rule(seconds=st.sampled_from([0.5, 4, 5, 6, 29, 30, 31, 300]))
    def time_passes(self, seconds):
        self.now += timedelta(seconds=seconds)

    @rule(status=st.sampled_from(ReportedStatus.values))
    def report(self, status):
        self.reported, self.last_seen = status, self.now
        self._show()
        shown = self._act(lambda: robot_report_status(robot_id=self.robot.pk, status=status)).status
        assert shown == self.shown

    @rule()
    def heard(self):
        stale = self.last_seen is None or self.now - self.last_seen > timedelta(seconds=5)
        if stale:
            self.last_seen = self.now
            self._show()
        assert self._act(lambda: robots_touch([self.robot.pk])) == int(stale)

    @rule()
    def sweep(self):
        due = self._silent() and not (self.latched or self.locked) and self.shown != "offline"
        if due:
            self._show()
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
        assert (row.status, row.reported_status) == (self.shown, self.reported)
        assert row.last_seen == self.last_seen
        rows = RobotStatusHistory.objects.filter(robot_id=self.robot.pk).order_by("time")
        assert list(rows.values_list("previous_status", "status")) == self.history

    def teardown(self):
        Robot.objects.all().delete()


@pytest.mark.django_db
def test_status_follows_the_model(organization_a, make_robot, tenant):
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
