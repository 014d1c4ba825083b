"""Open alerts by robot."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Case, Count, IntegerField, Max, Value, When

from apps.alerts.choices.alerts import AlertSeverity
from apps.alerts.models import Alert


@dataclass(frozen=True)
class OpenAlerts:
    """Number of open alerts of a robot, and their highest severity."""

    count: int
    severity: AlertSeverity

    @property
    def label(self) -> str:
        """The count and highest severity as text."""
        if self.count == 1:
            return f"1 alert: {self.severity.label}"
        return f"{self.count} alerts, worst: {self.severity.label}"


def severity_rank() -> Case:
    """Return an expression for the severity's rank; the lowest is 0."""
    return Case(
        *(
            When(severity=severity, then=Value(rank))
            for rank, severity in enumerate(AlertSeverity.values)
        ),
        default=Value(0),
        output_field=IntegerField(),
    )


def open_alerts_by_robot(
    principal: Any, robots: Collection[UUID] | None = None
) -> dict[UUID, OpenAlerts]:
    """Return the open alerts of each robot that has some; one query.

    Args:
        principal: User or API key.
        robots: Robots to read; None for all.
    """
    wanted = {"robot__isnull": False} if robots is None else {"robot_id__in": list(robots)}
    rows = (
        Alert.objects.restrict(principal)
        .unresolved()
        .filter(**wanted)
        .order_by()
        .values_list("robot_id")
        .annotate(number=Count("pk"), worst=Max(severity_rank()))
    )
    severities = list(AlertSeverity)
    return {robot_id: OpenAlerts(count, severities[rank]) for robot_id, count, rank in rows}
