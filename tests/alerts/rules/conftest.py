from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.alerts.models import Alert, AlertRuleState
from apps.alerts.services.rules.evaluation import evaluate_by_clock, evaluate_new_points
from apps.alerts.services.rules.rules import alert_rule_create
from apps.telemetry.protocols.points import DecodedBatch, Point
from apps.telemetry.services.telemetry import telemetry_ingest


class Plant:
    """An organization with rules, robots and points at seconds after a start."""

    def __init__(self, organization, make_robot, tenant):
        self.organization = organization
        self.make_robot = make_robot
        self.tenant = tenant
        self.start = (timezone.now() - timedelta(minutes=30)).replace(microsecond=0)
        self.robot = self.add_robot()

    def add_robot(self, **fields):
        return self.make_robot(self.organization, status="online", **fields)

    def rule(self, name="Hot", *, severity="warning", reopen_seconds=0, clauses=None, **condition):
        condition = {
            "clauses": clauses or [{"metric": "temperature", "threshold": 80.0}],
            "grace_seconds": 0,
            **condition,
        }
        with self.tenant(self.organization):
            return alert_rule_create(
                organization_id=self.organization.id,
                name=name,
                severity=severity,
                reopen_seconds=reopen_seconds,
                condition=condition,
            )

    def at(self, second):
        return self.start + timedelta(seconds=second)

    def send(self, *samples, robot=None, metric="temperature", evaluate=True):
        """Store values at seconds, and evaluate."""
        robot = robot or self.robot
        points = [
            (number, Point(metric, self.at(second), value, robot_id=robot.pk))
            for number, (second, value) in enumerate(samples)
        ]
        telemetry_ingest(organization_id=self.organization.id, decode=lambda: DecodedBatch(points))
        if evaluate:
            last = max(second for second, _ in samples)
            evaluate_new_points(self.organization.id, now=self.at(last))

    def clock(self, second):
        return evaluate_by_clock(self.organization.id, now=self.at(second))

    def alerts(self):
        with self.tenant(self.organization):
            return [
                (
                    alert.title,
                    alert.severity,
                    alert.state.value,
                    round((alert.started_at - self.start).total_seconds()),
                    alert.peak,
                    alert.occurrences,
                )
                for alert in Alert.objects.order_by("started_at", "title")
            ]

    def state(self, rule):
        with self.tenant(self.organization):
            row = AlertRuleState.objects.filter(rule=rule, robot=self.robot).first()
            return row.state if row else None


@pytest.fixture
def plant(organization_a, make_robot, tenant):
    return Plant(organization_a, make_robot, tenant)
