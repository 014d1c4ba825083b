"""Open, update and resolve the alerts of rules."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now
from django.utils import timezone

from apps.alerts.choices.alerts import RULE_KEY_PREFIX, AlertSource, AlertType, is_worse
from apps.alerts.choices.events import AlertEventKind
from apps.alerts.choices.rules import NoDataAction, RuleKind
from apps.alerts.models import Alert, AlertRule
from apps.alerts.protocols.condition_sentences import condition_sentence
from apps.alerts.protocols.conditions import parse_condition
from apps.alerts.protocols.program import to_datetime
from apps.alerts.services.alerts import (
    alert_open,
    alert_reopen,
    alert_repeat,
    alert_resolve_unacknowledged,
    lock_condition,
)
from apps.alerts.services.events import alert_event_record
from apps.alerts.services.rules.evaluator import Change, Transition
from apps.alerts.services.rules.machine import Episode
from apps.robots.choices import RobotStatus
from apps.robots.models import Robot
from urfmp.common.tenancy.context import audit_action

_TYPES = {RuleKind.METRIC: AlertType.TELEMETRY}


def rule_key(rule: AlertRule) -> str:
    """Return the key of a rule's alerts."""
    return f"{RULE_KEY_PREFIX}{rule.pk}"


def is_held_back(rule: AlertRule, robot: Robot | None) -> bool:
    """Return whether a rule opens no alerts of a robot for now.

    Its maintenance lock holds them back. While it is offline, its metrics say nothing new.
    """
    if robot is None:
        return False
    if robot.maintenance_locked_at is not None:
        return True
    return rule.kind == RuleKind.METRIC and robot.status == RobotStatus.OFFLINE


def transitions_apply(
    rule: AlertRule, robot: Robot | None, transitions: list[Transition], *, is_unreported: bool
) -> bool:
    """Apply an evaluation's transitions to the alerts of a rule and robot.

    Args:
        rule: Rule that was evaluated.
        robot: Robot that it was evaluated for.
        transitions: What the evaluation found.
        is_unreported: Whether an alert is due that was not opened, because it was held back.

    Returns:
        Whether an alert is due now that was not opened.
    """
    with audit_action("alerts.alert_rule.evaluate"):
        for transition in transitions:
            episode = transition.episode
            if transition.change == Change.PAST:
                _raise_past(rule, robot, episode)
            elif transition.change == Change.OPENED:
                is_unreported = not raise_alert(rule, robot, episode)
            elif is_unreported:
                is_unreported = transition.change != Change.CLEARED
            elif transition.change == Change.CLEARED:
                _clear(rule, robot)
            else:
                _update(rule, robot, transition)
    return is_unreported


def raise_alert(rule: AlertRule, robot: Robot | None, episode: Episode) -> bool:
    """Open or reopen the alert of an episode.

    Returns:
        Whether it was opened; False if the robot is muted.
    """
    if is_held_back(rule, robot):
        return False
    _raise(rule, robot, episode)
    return True


def _raise(rule: AlertRule, robot: Robot | None, episode: Episode) -> Alert:
    key = rule_key(rule)
    report = _report(rule, robot, key, episode)
    lock_condition(rule.organization_id, report.robot_id, key)
    known = Alert.objects.filter(robot=robot, key=key).select_for_update(no_key=True)
    if (stored := known.filter(is_resolved=False).first()) is not None:
        return alert_repeat(stored, report)
    since = timezone.now() - timedelta(seconds=rule.reopen_seconds)
    recent = known.filter(is_resolved=True, resolved_at__gte=since).order_by("-resolved_at")
    if (stored := recent.first()) is not None:
        return alert_reopen(stored, report)
    return alert_open(report)


def _report(rule: AlertRule, robot: Robot | None, key: str, episode: Episode) -> Alert:
    condition = parse_condition(rule.kind, rule.severity, rule.condition)
    message = f"{condition_sentence(condition, rule.kind)}."
    if episode.peak is not None and rule.kind == RuleKind.METRIC:
        message += f" Value: {episode.peak:g}."
    elif rule.condition.get("no_data") == NoDataAction.ALERT:
        message += " Data is missing."
    return Alert(
        organization_id=rule.organization_id,
        robot=robot,
        rule=rule,
        key=key,
        type=_TYPES.get(RuleKind(rule.kind), rule.kind),
        source=AlertSource.SYSTEM,
        severity=episode.severity,
        title=rule.name,
        message=message,
        peak=episode.peak if rule.kind == RuleKind.METRIC else None,
        started_at=to_datetime(episode.began),
        metadata=_metadata(rule, episode),
    )


def _metadata(rule: AlertRule, episode: Episode) -> dict[str, object]:
    facts: dict[str, object] = {"rule_version": rule.version}
    if rule.kind == RuleKind.METRIC:
        facts["metrics"] = sorted({clause["metric"] for clause in rule.condition["clauses"]})
        facts["value"] = episode.peak
    return facts


def _raise_past(rule: AlertRule, robot: Robot | None, episode: Episode) -> None:
    """Open and resolve the alert of an episode in the past.

    If an alert is open, the episode counts as an earlier occurrence of it.
    """
    if robot is not None and robot.maintenance_locked_at is not None:
        return
    alert = _open_alert(rule, robot)
    if alert is not None:
        alert_repeat(alert, _report(rule, robot, alert.key, episode))
        return
    alert_resolve_unacknowledged(
        _raise(rule, robot, episode),
        resolution="The condition had ended before its samples arrived.",
    )


def _open_alert(rule: AlertRule, robot: Robot | None) -> Alert | None:
    alerts = Alert.objects.unresolved().select_for_update(no_key=True)
    found: Alert | None = alerts.filter(robot=robot, key=rule_key(rule)).first()
    return found


def _clear(rule: AlertRule, robot: Robot | None) -> None:
    if (alert := _open_alert(rule, robot)) is not None:
        alert_resolve_unacknowledged(alert, resolution="The condition ended.")


def _update(rule: AlertRule, robot: Robot | None, transition: Transition) -> None:
    """Store what has changed of an open alert's episode."""
    if (alert := _open_alert(rule, robot)) is None:
        return  # a user has resolved it
    report = _report(rule, robot, alert.key, transition.episode)
    if transition.change == Change.RECURRED:
        report.severity = alert.severity
        alert_repeat(alert, report)
        return
    fields = {"peak": report.peak, "message": report.message, "metadata": report.metadata}
    is_raised = is_worse(report.severity, alert.severity)
    if is_raised:
        fields["severity"] = report.severity
    Alert.objects.filter(pk=alert.pk).update(**fields, last_seen_at=Now())
    if is_raised:
        alert.refresh_from_db()
        alert_event_record(alert, AlertEventKind.SEVERITY_RAISED)
