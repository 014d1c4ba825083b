"""Status history."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from apps.robots.choices import ReportedStatus, RobotStatus
from apps.robots.models.robots import Robot
from apps.robots.querysets import (
    HypertableQuerySet,
    RobotStatusRepeatQuerySet,
    visible_robots,
)
from urfmp.common.db.fields import TransactionTimestamp, organization_fk, unconstrained_fk
from urfmp.common.tenancy.models import TenantModel


class HypertableManager(models.Manager.from_queryset(HypertableQuerySet)):  # type: ignore[misc]
    """Rows of the robots that are visible to the open transaction."""

    def get_queryset(self) -> HypertableQuerySet:
        """Restrict rows by the policy on `robots`."""
        rows: HypertableQuerySet = super().get_queryset()
        return rows.filter(**visible_robots(Robot.objects.all()))


class RobotStatusHistory(models.Model):
    """One change of a robot's status, written by a trigger.

    A hypertable with one row per robot and time, without an id. Rows are kept for two years.
    """

    pk = models.CompositePrimaryKey("robot", "time")
    time = models.DateTimeField(db_default=TransactionTimestamp())
    robot = unconstrained_fk("robots.Robot", on_delete=models.DO_NOTHING)
    status = models.CharField(max_length=50, choices=RobotStatus)
    previous_status = models.CharField(  # noqa: DJ001 - spec
        max_length=50, null=True, choices=RobotStatus
    )
    reason = models.TextField(null=True)  # noqa: DJ001 - spec
    metadata = models.JSONField(null=True)

    objects: ClassVar[Any] = HypertableManager()

    class Meta:
        managed = False
        db_table = "robot_status_history"
        ordering = ("-time",)
        verbose_name_plural = "robot status history"

    def __str__(self) -> str:
        return f"{self.status} since {self.time}"


class RobotStatusRepeat(TenantModel):
    """A report whose status was in effect already.

    It wrote no history row. A late report can come between; then this one becomes a row of the
    history. The newest 1,000 of each robot are kept. Written by the SQL functions of the status
    history, and not audited.
    """

    pk = models.CompositePrimaryKey("robot", "time")
    organization = organization_fk()
    robot = unconstrained_fk("robots.Robot", on_delete=models.DO_NOTHING)
    time = models.DateTimeField()
    status = models.CharField(max_length=50, choices=ReportedStatus)
    reason = models.TextField(null=True)  # noqa: DJ001 - as in the history
    metadata = models.JSONField(null=True)

    objects: ClassVar[Any] = RobotStatusRepeatQuerySet.as_manager()

    class Meta:
        db_table = "robot_status_repeats"
        ordering = ("-time",)

    def __str__(self) -> str:
        return f"{self.status} at {self.time}"
