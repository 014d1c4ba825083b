"""Create, change and delete alert rules."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError

from apps.alerts.choices.alerts import RULE_KEY_PREFIX
from apps.alerts.choices.rules import ORGANIZATION_KINDS, RuleScope
from apps.alerts.models import Alert, AlertRule, AlertRuleState
from apps.alerts.protocols.conditions import condition_json, parse_condition
from apps.alerts.selectors.built_in_rules import proposed_rules
from apps.alerts.services.alerts import alert_resolve_unacknowledged
from apps.organizations.models import Facility
from urfmp.common.db.constraints import unique_error_on
from urfmp.common.db.json_values import check_json
from urfmp.common.tenancy.context import audit_action

# Changes after which the condition has to be met anew.
_MATERIAL = frozenset(
    {"scope", "facility", "model", "robot", "kind", "condition", "severity", "is_enabled"}
)


def _unique_name() -> AbstractContextManager[None]:
    return unique_error_on(
        "name", "A rule of this name for these robots exists already.", "alert_rules_name_scope_key"
    )


def alert_rule_create(*, organization_id: UUID, **fields: Any) -> AlertRule:
    """Create an alert rule, for points that are stored from then on.

    Args:
        organization_id: Organization of the rule.
        fields: Columns of the rule.

    Raises:
        ValidationError: A field is invalid, or the name is taken for the same robots.
    """
    rule = AlertRule(organization_id=organization_id, **fields)
    with _unique_name(), audit_action("alerts.alert_rule.create"):
        _save(rule)
    return rule


def alert_rule_update(rule: AlertRule, **fields: Any) -> AlertRule:
    """Change an alert rule.

    If its condition or its robots change, its states are deleted and its open alerts resolved:
    the condition has to be met anew.

    Args:
        rule: Rule to change. Its row is locked, so that versions of parallel changes differ.
        fields: Columns to change.

    Raises:
        ValidationError: A field is invalid, or the name is taken for the same robots.
    """
    with _unique_name(), audit_action("alerts.alert_rule.update"):
        rule = AlertRule.objects.select_for_update(of=("self",)).get(pk=rule.pk)
        before = {name: getattr(rule, name) for name in _MATERIAL}
        for name, value in fields.items():
            setattr(rule, name, value)
        rule.version += 1
        _save(rule)
        if any(getattr(rule, name) != value for name, value in before.items()):
            _reset(rule, "The rule was changed." if rule.is_enabled else "The rule was disabled.")
    return rule


def alert_rule_delete(rule: AlertRule) -> None:
    """Delete an alert rule and resolve its open alerts; the alerts stay."""
    with audit_action("alerts.alert_rule.delete"):
        _reset(rule, f"The rule {rule} was deleted.")
        AlertRule.objects.filter(pk=rule.pk).delete()


def built_in_rules_add(*, organization_id: UUID) -> list[AlertRule]:
    """Create the rules that the profiles of the robots' vendors propose.

    A rule whose name exists for all robots is left as it is, so that a second call adds only the
    rules of vendors that are new.

    Returns:
        The created rules.
    """
    with audit_action("alerts.alert_rule.add_built_in"):
        known = set(
            AlertRule.objects.filter(scope=RuleScope.ORGANIZATION).values_list("name", flat=True)
        )
        return [
            alert_rule_create(organization_id=organization_id, built_in=True, **columns)
            for columns in proposed_rules()
            if columns["name"] not in known
        ]


def _save(rule: AlertRule) -> None:
    check_json(condition=rule.condition)
    for scope, name in (
        (RuleScope.FACILITY, "facility"),
        (RuleScope.MODEL, "model"),
        (RuleScope.ROBOT, "robot"),
    ):
        if rule.scope != scope:
            setattr(rule, name, None)
        elif getattr(rule, name) in (None, ""):
            raise ValidationError({name: "This field is required."})
    if rule.kind in ORGANIZATION_KINDS and rule.scope != RuleScope.ORGANIZATION:
        raise ValidationError({"scope": "Rules of this kind observe the whole organization."})
    if rule.robot is not None and rule.robot.organization_id != rule.organization_id:
        raise ValidationError({"robot": "Robot not found."})
    if rule.facility and not Facility.objects.filter(name=rule.facility).exists():
        raise ValidationError({"facility": "Facility not found."})
    rule.full_clean(exclude={"organization", "condition"}, validate_constraints=False)
    condition = parse_condition(rule.kind, rule.severity, rule.condition)
    rule.condition = condition_json(condition)
    rule.save()


def _reset(rule: AlertRule, resolution: str) -> None:
    AlertRuleState.objects.filter(rule=rule).delete()
    key = f"{RULE_KEY_PREFIX}{rule.pk}"
    for alert in Alert.objects.unresolved().filter(key=key).order_by("pk"):
        alert_resolve_unacknowledged(alert, resolution=resolution)
