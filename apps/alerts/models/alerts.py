"""Alerts raised by robots, users and the system."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.postgres.indexes import GinIndex
from django.db import models

from apps.alerts.choices.alerts import (
    MAX_KEY_LENGTH,
    AlertSeverity,
    AlertSource,
    AlertState,
    AlertType,
)
from apps.alerts.querysets import AlertQuerySet
from urfmp.common.db.fields import (
    TransactionTimestamp,
    bounded_datetime_check,
    bounded_datetime_field,
    choices_check,
    created_at,
    organization_fk,
    unconstrained_fk,
    uuid_primary_key,
)
from urfmp.common.db.names import (
    IdentifierField,
    NameField,
    identifier_check,
    name_check,
    validate_visible,
)
from urfmp.common.tenancy.models import TenantModel


class Alert(TenantModel):
    """A problem, open from its first report until it is resolved.

    The key identifies the condition. A robot, or the organization without one, has at most one open
    alert of a key: a further report is a repeat, which increments `occurrences`. `created_at` is
    the time of the first report; `started_at` is when the condition began, which may be earlier.
    Until `snoozed_until` the alert sends no messages. An alert that a rule opened has the worst
    value that the rule observed as `peak`.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    robot = unconstrained_fk("robots.Robot", null=True, blank=True)
    type = models.CharField(max_length=50, choices=AlertType)
    severity = models.CharField(max_length=20, choices=AlertSeverity)
    rule = unconstrained_fk(
        "alerts.AlertRule", null=True, blank=True, on_delete=models.DO_NOTHING, editable=False
    )
    peak = models.FloatField(null=True, blank=True, editable=False)
    key = IdentifierField(max_length=MAX_KEY_LENGTH, blank=True)
    title = NameField(max_length=255)
    message = models.TextField(validators=[validate_visible])
    source = models.CharField(  # noqa: DJ001 - spec
        max_length=100, null=True, blank=True, choices=AlertSource
    )
    metadata = models.JSONField(null=True, blank=True)
    is_acknowledged = models.BooleanField(
        "acknowledged", null=True, default=False, db_default=False, editable=False
    )
    acknowledged_by = unconstrained_fk(
        "accounts.User", null=True, blank=True, db_column="acknowledged_by", editable=False
    )
    acknowledged_at = models.DateTimeField(null=True, blank=True, editable=False)
    is_resolved = models.BooleanField(
        "resolved", null=True, default=False, db_default=False, editable=False
    )
    resolved_at = models.DateTimeField(null=True, blank=True, editable=False)
    resolution = models.TextField(null=True, blank=True, editable=False)  # noqa: DJ001 - optional
    occurrences = models.PositiveIntegerField(default=1, db_default=1, editable=False)
    started_at = models.DateTimeField(db_default=TransactionTimestamp(), editable=False)
    last_seen_at = models.DateTimeField(db_default=TransactionTimestamp(), editable=False)
    assigned_to = unconstrained_fk(
        "accounts.User", null=True, blank=True, db_column="assigned_to", editable=False
    )
    snoozed_until = bounded_datetime_field(editable=False)
    created_at = created_at()

    objects: ClassVar[Any] = AlertQuerySet.as_manager()

    class Meta:
        db_table = "alerts"
        ordering = ("-created_at", "id")
        constraints = (
            choices_check("alerts", "type", AlertType),
            choices_check("alerts", "severity", AlertSeverity),
            choices_check("alerts", "source", AlertSource),
            name_check("alerts", "title"),
            identifier_check("alerts", "key"),
            bounded_datetime_check("alerts", "snoozed_until"),
            models.UniqueConstraint(
                fields=("organization", "id"), name="alerts_organization_id_key"
            ),
            models.UniqueConstraint(
                fields=("organization", "robot", "key"),
                condition=models.Q(is_resolved=False),
                nulls_distinct=False,
                name="alerts_one_open_key",
            ),
        )
        indexes = (
            models.Index(fields=("robot",), name="idx_alerts_robot"),
            models.Index(fields=("severity",), name="idx_alerts_severity"),
            models.Index(fields=("created_at",), name="idx_alerts_created"),
            models.Index(
                fields=("is_resolved", "created_at"),
                condition=models.Q(is_resolved=False),
                name="idx_alerts_unresolved",
            ),
            models.Index(fields=("organization", "-created_at"), name="idx_alerts_organization"),
            models.Index(
                fields=("organization", "severity"),
                condition=models.Q(is_resolved=False),
                name="idx_alerts_open_severity",
            ),
            models.Index(fields=("acknowledged_by",), name="idx_alerts_acknowledged"),
            models.Index(fields=("assigned_to",), name="idx_alerts_assigned"),
            models.Index(fields=("rule",), name="idx_alerts_rule"),
            GinIndex(
                fields=("metadata",), opclasses=("jsonb_path_ops",), name="idx_alerts_metadata"
            ),
        )

    def __str__(self) -> str:
        return str(self.title)

    @property
    def state(self) -> AlertState:
        """The state that the two flags describe."""
        if self.is_resolved:
            return AlertState.RESOLVED
        return AlertState.ACKNOWLEDGED if self.is_acknowledged else AlertState.NEW
