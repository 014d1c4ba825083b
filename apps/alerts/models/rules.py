"""Alert rules, and their state for each robot."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.validators import MaxValueValidator
from django.db import models

from apps.alerts.choices.alerts import AlertSeverity
from apps.alerts.choices.rules import ORGANIZATION_KINDS, RuleKind, RuleScope, RuleState
from apps.alerts.querysets import AlertRuleQuerySet, AlertRuleStateQuerySet
from urfmp.common.db.fields import (
    choices_check,
    created_at,
    organization_fk,
    unconstrained_fk,
    updated_at,
    uuid_primary_key,
)
from urfmp.common.db.names import IdentifierField, NameField, identifier_check, name_check
from urfmp.common.tenancy.models import TenantModel

MAX_REOPEN_SECONDS = 86_400


class AlertRule(TenantModel):
    """A condition that opens an alert for each robot that meets it.

    `facility`, `model` or `robot` names the robots of the scope. Of several rules with one name
    the one nearest to the robot applies, even if it is disabled. `condition` has the form of the
    kind: see `apps.alerts.protocols.conditions`. A condition that returns within `reopen_seconds`
    reopens its alert. `version` increases with every change; states of earlier versions do not
    count.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    name = NameField(max_length=100)
    scope = models.CharField(
        max_length=20,
        choices=RuleScope,
        default=RuleScope.ORGANIZATION,
        db_default=RuleScope.ORGANIZATION,
    )
    facility = NameField(max_length=255, null=True, blank=True)
    model = IdentifierField(max_length=100, null=True, blank=True)
    robot = unconstrained_fk("robots.Robot", null=True, blank=True)
    kind = models.CharField(
        max_length=20, choices=RuleKind, default=RuleKind.METRIC, db_default=RuleKind.METRIC
    )
    condition = models.JSONField()
    severity = models.CharField(
        max_length=20,
        choices=AlertSeverity,
        default=AlertSeverity.WARNING,
        db_default=AlertSeverity.WARNING,
    )
    reopen_seconds = models.PositiveIntegerField(
        default=300, db_default=300, validators=[MaxValueValidator(MAX_REOPEN_SECONDS)]
    )
    is_enabled = models.BooleanField("enabled", default=True, db_default=True)
    built_in = models.BooleanField(default=False, db_default=False, editable=False)
    version = models.PositiveIntegerField(default=1, db_default=1, editable=False)
    created_at = created_at()
    updated_at = updated_at()

    objects: ClassVar[Any] = AlertRuleQuerySet.as_manager()

    class Meta:
        db_table = "alert_rules"
        ordering = ("name", "id")
        constraints = (
            choices_check("alert_rules", "scope", RuleScope),
            choices_check("alert_rules", "kind", RuleKind),
            choices_check("alert_rules", "severity", AlertSeverity),
            name_check("alert_rules", "name"),
            name_check("alert_rules", "facility"),
            identifier_check("alert_rules", "model"),
            models.CheckConstraint(
                condition=models.Q(reopen_seconds__lte=MAX_REOPEN_SECONDS),
                name="alert_rules_reopen_seconds_max_check",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    scope=RuleScope.ORGANIZATION,
                    facility__isnull=True, model__isnull=True, robot__isnull=True,
                )
                | models.Q(
                    scope=RuleScope.FACILITY,
                    facility__isnull=False, model__isnull=True, robot__isnull=True,
                )
                | models.Q(
                    scope=RuleScope.MODEL,
                    facility__isnull=True, model__isnull=False, robot__isnull=True,
                )
                | models.Q(
                    scope=RuleScope.ROBOT,
                    facility__isnull=True, model__isnull=True, robot__isnull=False,
                ),
                name="alert_rules_scope_target_check",
            ),
            models.UniqueConstraint(
                fields=("organization", "name", "facility", "model", "robot"),
                nulls_distinct=False,
                name="alert_rules_name_scope_key",
            ),
            models.UniqueConstraint(
                fields=("organization", "id"), name="alert_rules_organization_id_key"
            ),
        )  # fmt: skip
        indexes = (
            models.Index(fields=("organization",), name="idx_alert_rules_organization"),
            models.Index(fields=("robot",), name="idx_alert_rules_robot"),
            models.Index(fields=("facility",), name="idx_alert_rules_facility"),
        )

    def __str__(self) -> str:
        return str(self.name)

    @property
    def scope_label(self) -> str:
        """The robots to which the rule applies, as text."""
        if self.kind in ORGANIZATION_KINDS:
            return "The organization"
        target = {
            RuleScope.FACILITY: self.facility,
            RuleScope.MODEL: self.model,
            RuleScope.ROBOT: self.robot,
        }.get(RuleScope(self.scope))
        return RuleScope(self.scope).label if target is None else str(target)


class AlertRuleState(TenantModel):
    """The state of a rule for a robot, or for the organization.

    A row exists where the condition has held lately; a rule without a row is normal. Workers write
    it while they hold the organization's rules lock. `record` is a `RuleRecord`, from which an
    evaluation continues after a restart. Rows are deleted with their rule or robot. Not audited.
    """

    id = models.BigAutoField(primary_key=True)
    organization = organization_fk()
    rule = unconstrained_fk("alerts.AlertRule", on_delete=models.DO_NOTHING, editable=False)
    robot = unconstrained_fk("robots.Robot", null=True, on_delete=models.DO_NOTHING, editable=False)
    rule_version = models.PositiveIntegerField(editable=False)
    state = models.CharField(max_length=20, choices=RuleState, editable=False)
    since = models.DateTimeField(editable=False)
    last_sample_at = models.DateTimeField(null=True, editable=False)
    value = models.FloatField(null=True, editable=False)
    next_due_at = models.DateTimeField(null=True, editable=False)
    is_unreported = models.BooleanField(default=False, db_default=False, editable=False)
    record = models.JSONField(editable=False)
    error_message = models.TextField(default="", db_default="", editable=False)
    updated_at = updated_at()

    objects: ClassVar[Any] = AlertRuleStateQuerySet.as_manager()

    class Meta:
        db_table = "alert_rule_states"
        ordering = ("-since", "id")
        constraints = (
            choices_check("alert_rule_states", "state", RuleState),
            models.UniqueConstraint(
                fields=("rule", "robot"),
                nulls_distinct=False,
                name="alert_rule_states_rule_robot_key",
            ),
        )
        indexes = (
            models.Index(fields=("robot",), name="idx_rule_states_robot"),
            models.Index(fields=("organization", "state"), name="idx_rule_states_state"),
            models.Index(
                fields=("organization", "next_due_at"),
                condition=models.Q(next_due_at__isnull=False),
                name="idx_rule_states_due",
            ),
            models.Index(
                fields=("organization",),
                condition=models.Q(is_unreported=True),
                name="idx_rule_states_unreported",
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_state_display()} since {self.since}"
