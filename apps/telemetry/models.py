"""What robots measure."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from apps.robots.models import Robot
from apps.robots.querysets import HypertableQuerySet, visible_robots
from urfmp.common.fields import plain_key


class RobotTelemetryManager(models.Manager.from_queryset(HypertableQuerySet)):  # type: ignore[misc]
    """Points of the robots that the open transaction may see."""

    def get_queryset(self) -> HypertableQuerySet:
        """Let the policy on `robots` decide."""
        rows: HypertableQuerySet = super().get_queryset()
        return rows.filter(**visible_robots(Robot.objects.all()))


class RobotTelemetry(models.Model):
    """One measured value of one metric of one robot at one time; kept for a year.

    A hypertable, unique by robot, metric and time. Times have microseconds; the unit, a UCUM
    code, travels with the point.
    """

    pk = models.CompositePrimaryKey("robot", "metric_name", "time")
    time = models.DateTimeField()
    robot = plain_key("robots.Robot", on_delete=models.DO_NOTHING)
    metric_name = models.CharField(max_length=100)
    value = models.FloatField(null=True)
    unit = models.CharField(max_length=20, null=True)  # noqa: DJ001 - spec
    metadata = models.JSONField(null=True)

    objects: ClassVar[Any] = RobotTelemetryManager()

    class Meta:
        managed = False
        db_table = "robot_telemetry"
        ordering = ("-time",)
        verbose_name_plural = "robot telemetry"

    def __str__(self) -> str:
        return f"{self.metric_name} {self.value} {self.unit or ''} at {self.time}"
