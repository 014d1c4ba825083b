"""Telemetry points and their latest values."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from apps.robots.models import HypertableManager
from apps.telemetry.querysets import TelemetryLatestQuerySet
from urfmp.common.db.fields import organization_fk, unconstrained_fk
from urfmp.common.tenancy.models import TenantModel


class RobotTelemetry(models.Model):
    """A measured value of a robot's metric; kept for a year.

    A hypertable, unique by robot, metric and time. Times have microseconds. The unit is a UCUM
    code, stored with each point.
    """

    pk = models.CompositePrimaryKey("robot", "metric_name", "time")
    time = models.DateTimeField()
    robot = unconstrained_fk("robots.Robot", on_delete=models.DO_NOTHING)
    metric_name = models.CharField(max_length=100)
    value = models.FloatField(null=True)
    unit = models.CharField(max_length=20, null=True)  # noqa: DJ001 - spec
    metadata = models.JSONField(null=True)

    objects: ClassVar[Any] = HypertableManager()

    class Meta:
        managed = False
        db_table = "robot_telemetry"
        ordering = ("-time",)
        verbose_name_plural = "robot telemetry"

    def __str__(self) -> str:
        return f"{self.metric_name} {self.value} {self.unit or ''} at {self.time}"


class TelemetryLatest(TenantModel):
    """The newest rolled-up point of a robot's metric.

    Read it through `latest_values()`, which also considers points that are not rolled up yet.
    Deleted with its robot. Not audited, because rows change constantly.
    """

    pk = models.CompositePrimaryKey("robot", "metric_name")
    organization = organization_fk()
    robot = unconstrained_fk("robots.Robot", on_delete=models.DO_NOTHING)
    metric_name = models.CharField(max_length=100, editable=False)
    time = models.DateTimeField(editable=False)
    value = models.FloatField(null=True, editable=False)
    unit = models.CharField(max_length=20, null=True, editable=False)  # noqa: DJ001 - as in a point

    objects: ClassVar[Any] = TelemetryLatestQuerySet.as_manager()

    class Meta:
        db_table = "telemetry_latest"
        ordering = ("robot", "metric_name")
        verbose_name_plural = "latest telemetry"
        indexes = (
            models.Index(fields=("organization", "metric_name", "robot"), name="idx_latest_metric"),
        )

    def __str__(self) -> str:
        return f"{self.metric_name} {self.value} {self.unit or ''} at {self.time}"
