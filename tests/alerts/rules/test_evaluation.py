"""Rules on stored points: from ingest to alerts."""

from __future__ import annotations

import sys

import pytest
from django.utils import timezone

from apps.alerts.models import Alert, AlertEvent, AlertRuleState
from apps.alerts.services.alerts import alert_resolve
from apps.alerts.services.rules import runs
from apps.alerts.services.rules.evaluation import evaluate_new_points
from apps.alerts.services.rules.rules import (
    alert_rule_create,
    alert_rule_delete,
    alert_rule_update,
)
from apps.robots.models import Robot
from apps.telemetry.models import TelemetryBatch
from apps.telemetry.services.rollups import roll_up

pytestmark = pytest.mark.django_db


def test_breach_opens_alert_and_recovery_resolves_it(plant):
    rule = plant.rule(clauses=[{"metric": "temperature", "threshold": 80.0, "clear": 75.0}])
    plant.send((0, 70.0), (1, 79.9), (2, 80.0))
    assert plant.alerts() == []
    plant.send((3, 81.0), (4, 84.0))
    assert plant.alerts() == [("Hot", "warning", "new", 3, 84.0, 1)]
    plant.send((5, 78.0), (6, 86.0))
    assert plant.alerts() == [("Hot", "warning", "new", 3, 86.0, 1)]
    assert plant.state(rule) == "firing"
    plant.send((7, 75.0))
    assert plant.alerts() == [("Hot", "warning", "resolved", 3, 86.0, 1)]
    assert plant.state(rule) == "normal"


@pytest.mark.parametrize("direction", [1, -1])
def test_change_beyond_the_range_of_a_double_opens_alert(plant, alice, client_for, direction):
    clause = {"metric": "temperature", "measure": "rate", "seconds": 10, "threshold": 5.0}
    if direction < 0:
        clause |= {"comparison": "<", "threshold": -5.0}
    rule = plant.rule(clauses=[clause])
    plant.send((0, -1.7e308 * direction), (10, 1.7e308 * direction))
    peak = sys.float_info.max * direction
    assert plant.alerts() == [("Hot", "warning", "new", 10, peak, 1)]
    [alert] = client_for(alice).get("/api/v1/alerts").json()["results"]
    assert float(alert["metadata"]["value"]) == peak
    plant.send((20, 1.7e308 * direction))
    assert plant.state(rule) == "normal"


def test_shortest_breach_is_found_in_a_batch(plant):
    plant.rule()
    plant.send(*((second, 70.0) for second in range(100)), (50.001, 80.5))
    assert plant.alerts() == [("Hot", "warning", "resolved", 50, 80.5, 1)]


def test_duration_counts_by_the_robots_clock(plant):
    rule = plant.rule(for_seconds=60)
    plant.send((0, 90.0), (59, 90.0))
    assert (plant.alerts(), plant.state(rule)) == ([], "pending")
    plant.send((60, 70.0))
    assert (plant.alerts(), plant.state(rule)) == ([], "normal")
    plant.send((100, 90.0))
    assert plant.clock(159) == 0
    assert plant.clock(160) == 1
    assert plant.alerts() == [("Hot", "warning", "new", 100, 90.0, 1)]


def test_late_breach_opens_alert_of_the_past_and_late_clear_keeps_it(plant):
    plant.rule()
    plant.send((100, 70.0), (200, 70.0))
    plant.send((150, 90.0))
    assert plant.alerts() == [("Hot", "warning", "resolved", 150, 90.0, 1)]
    plant.send((151, 70.0), (150, 90.0))
    assert plant.alerts() == [("Hot", "warning", "resolved", 150, 90.0, 1)]


def test_very_late_breach_does_not_touch_the_open_alert(plant):
    rule = plant.rule()
    plant.send((1700, 90.0))
    plant.send((5, 85.0), (6, 70.0))
    assert plant.alerts() == [("Hot", "warning", "new", 1700, 90.0, 2)]
    assert plant.state(rule) == "firing"


def test_severity_rises_with_value_and_time(plant):
    plant.rule(
        severities=[
            {"severity": "error", "value": 90.0},
            {"severity": "critical", "after_seconds": 100},
        ]
    )
    plant.send((0, 85.0))
    plant.send((1, 95.0))
    assert plant.alerts() == [("Hot", "error", "new", 0, 95.0, 1)]
    plant.clock(99)
    assert plant.alerts()[0][1] == "error"
    plant.clock(100)
    assert plant.alerts()[0][1] == "critical"
    with plant.tenant(plant.organization):
        kinds = AlertEvent.objects.values_list("kind", "severity")
        assert [*kinds] == [
            ("opened", "warning"), ("severity_raised", "error"), ("severity_raised", "critical"),
        ]  # fmt: skip


def test_missing_data_opens_alert_by_clock_and_data_resolves_it(plant):
    clause = {"metric": "temperature", "measure": "no_data", "seconds": 60}
    plant.rule("Silent", clauses=[clause])
    plant.clock(0)
    plant.send((0, 1.0))
    roll_up(plant.organization.id)
    plant.send((30, 1.0))
    assert plant.clock(89) == 0
    assert plant.clock(90) == 1
    assert plant.clock(91) == 0
    assert plant.alerts() == [("Silent", "warning", "new", 90, None, 1)]
    plant.send((95, 1.0))
    assert plant.alerts() == [("Silent", "warning", "resolved", 90, None, 1)]


def test_keep_firing_joins_occurrences(plant):
    rule = plant.rule(keep_firing_seconds=10)
    plant.send((0, 90.0), (1, 70.0))
    assert plant.state(rule) == "recovering"
    plant.send((5, 91.0), (6, 70.0))
    assert plant.alerts() == [("Hot", "warning", "new", 0, 91.0, 2)]
    plant.clock(16)
    assert plant.alerts() == [("Hot", "warning", "resolved", 0, 91.0, 2)]


def test_clauses_of_several_metrics_combine(plant):
    clauses = [
        {"metric": "temperature", "threshold": 80.0},
        {"metric": "program.running", "comparison": "==", "threshold": 1.0},
    ]
    plant.rule("Both", clauses=clauses)
    plant.rule("Either", clauses=clauses, match="any")
    plant.send((0, 90.0))
    assert [alert[0] for alert in plant.alerts()] == ["Either"]
    plant.send((1, 1.0), metric="program.running")
    assert sorted(alert[0] for alert in plant.alerts()) == ["Both", "Either"]
    plant.send((2, 0.0), metric="program.running")
    assert [alert[2] for alert in sorted(plant.alerts())] == ["resolved", "new"]


def test_recurrence_reopens_alert_within_time(plant):
    plant.rule(reopen_seconds=300)
    plant.send((0, 90.0), (1, 70.0))
    plant.send((2, 91.0))
    assert plant.alerts() == [("Hot", "warning", "new", 0, 90.0, 2)]
    with plant.tenant(plant.organization):
        alert = Alert.objects.get()
        assert [event.kind for event in AlertEvent.objects.filter(alert=alert)] == [
            "opened", "resolved", "reopened",
        ]  # fmt: skip


def test_alert_resolved_by_hand_stays_resolved_until_the_condition_recurs(plant, alice):
    plant.rule()
    plant.send((0, 90.0))
    with plant.tenant(plant.organization):
        alert_resolve(Alert.objects.get(), alice)
    plant.send((1, 99.0))
    assert [alert[2] for alert in plant.alerts()] == ["resolved"]
    plant.send((2, 70.0), (3, 90.0))
    assert [alert[2:4] for alert in plant.alerts()] == [("resolved", 0), ("new", 3)]


def test_muted_robot_opens_its_alert_when_the_lock_is_released(plant):
    plant.rule()
    with plant.tenant(plant.organization):
        Robot.objects.update(maintenance_locked_at=timezone.now())
    plant.send((0, 90.0))
    plant.clock(1)
    assert plant.alerts() == []
    with plant.tenant(plant.organization):
        Robot.objects.update(maintenance_locked_at=None)
    plant.clock(2)
    assert plant.alerts() == [("Hot", "warning", "new", 0, 90.0, 1)]


def test_condition_that_ends_while_muted_opens_no_alert(plant):
    plant.rule()
    with plant.tenant(plant.organization):
        Robot.objects.update(maintenance_locked_at=timezone.now())
    plant.send((0, 90.0))
    plant.send((1, 70.0))
    with plant.tenant(plant.organization):
        Robot.objects.update(maintenance_locked_at=None)
    plant.clock(2)
    assert plant.alerts() == []


def test_nearest_rule_of_a_name_applies(plant):
    other = plant.add_robot()
    plant.rule()
    with plant.tenant(plant.organization):
        near = alert_rule_create(
            organization_id=plant.organization.id, name="Hot", scope="robot", robot=plant.robot,
            condition={"clauses": [{"metric": "temperature", "threshold": 95.0}]},
        )  # fmt: skip
    plant.send((0, 90.0))
    assert plant.alerts() == []
    plant.send((0, 90.0), robot=other)
    assert len(plant.alerts()) == 1
    with plant.tenant(plant.organization):
        alert_rule_update(near, is_enabled=False)
    plant.send((5, 99.0))
    assert len(plant.alerts()) == 1  # a disabled rule switches the name off for its robot


def test_changed_rule_resolves_its_alerts_and_starts_anew(plant):
    rule = plant.rule()
    plant.send((0, 90.0))
    with plant.tenant(plant.organization):
        rule = alert_rule_update(rule, condition={"clauses": [{"metric": "temperature"}]})
        assert rule.version == 2
    assert [alert[2] for alert in plant.alerts()] == ["resolved"]
    plant.send((1, 1.0))
    assert sorted(alert[2] for alert in plant.alerts()) == ["new", "resolved"]
    with plant.tenant(plant.organization):
        alert_rule_delete(rule)
        assert not AlertRuleState.objects.exists()
        assert not Alert.objects.unresolved().exists()
        assert Alert.objects.filter(rule=None).count() == 2


def test_points_are_processed_once_even_without_rules(plant):
    plant.send((0, 90.0), evaluate=False)
    assert evaluate_new_points(plant.organization.id) == 1
    assert evaluate_new_points(plant.organization.id) == 0
    with plant.tenant(plant.organization):
        assert TelemetryBatch.objects.filter(rolled_up_at=None).count() == 1


def test_failed_evaluation_leaves_the_points_to_the_next_worker(plant, monkeypatch):
    plant.rule()
    plant.send((0, 90.0), evaluate=False)
    with monkeypatch.context() as patch:
        patch.setattr(runs, "states_store", lambda rows: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            evaluate_new_points(plant.organization.id)
    assert plant.alerts() == []
    assert evaluate_new_points(plant.organization.id) == 1
    assert len(plant.alerts()) == 1


def test_new_rule_does_not_report_what_ended_before_its_points(plant):
    plant.send((0, 90.0), (1, 70.0))
    plant.rule()
    plant.send((2, 70.0), (3, 91.0))
    assert plant.alerts() == [("Hot", "warning", "new", 3, 91.0, 1)]


def test_error_of_one_rule_leaves_the_others_alone(plant, monkeypatch):
    broken = plant.rule("Broken")
    plant.rule("Works")

    def evaluate(program, record, start, samples, until, _real=runs.evaluate):
        if program.keep:
            msg = "math domain"
            raise ValueError(msg)
        return _real(program, record, start, samples, until)

    with plant.tenant(plant.organization):
        condition = {"clauses": broken.condition["clauses"], "keep_firing_seconds": 5}
        alert_rule_update(broken, condition=condition)
    with monkeypatch.context() as patch:
        patch.setattr(runs, "evaluate", evaluate)
        plant.send((0, 90.0))
    assert [alert[0] for alert in plant.alerts()] == ["Works"]
    assert plant.state(broken) == "error"
    plant.send((1, 91.0))
    assert sorted(alert[0] for alert in plant.alerts()) == ["Broken", "Works"]
