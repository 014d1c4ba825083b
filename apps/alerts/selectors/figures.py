"""Figures of alerts: how many, and how long until someone acts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import (
    Aggregate,
    CharField,
    Count,
    DurationField,
    ExpressionWrapper,
    F,
    Max,
    Q,
    QuerySet,
    Sum,
    TextChoices,
    Value,
)
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce

from apps.alerts.models import Alert

MAX_ROWS = 100
MAX_EXPORTED_ROWS = 10_000


class FiguresBy(TextChoices):
    """What the rows of the figures are."""

    RULE = "rule", "Rule"
    ROBOT = "robot", "Robot"
    ROBOT_AND_RULE = "robot_rule", "Robot and rule"
    FACILITY = "facility", "Facility"


@dataclass(frozen=True)
class AlertFigures:
    """Figures of alerts that were opened in a period.

    Durations count from the first report. An alert without acknowledgement, or that is still
    open, does not count in the duration that it lacks. Of an alert that was reopened, the last
    acknowledgement and resolution count.

    Attributes:
        robot: Name of the robot; empty for all.
        rule: Title of the alerts; empty for all.
        facility: Name of the facility; empty for all.
        alerts: Number of alerts.
        open: Number of them that are open.
        occurrences: Number of reports, repeats included.
        acknowledge_median: Median of the time to acknowledge.
        acknowledge_p90: Time within which 90 % of the acknowledged ones were acknowledged.
        resolve_median: Median of the time to resolve.
        resolve_p90: Time within which 90 % of the resolved ones were resolved.
    """

    robot: str
    rule: str
    facility: str
    alerts: int
    open: int
    occurrences: int
    acknowledge_median: timedelta | None
    acknowledge_p90: timedelta | None
    resolve_median: timedelta | None
    resolve_p90: timedelta | None

    @property
    def durations(self) -> tuple[timedelta | None, ...]:
        """The times to acknowledge and to resolve, as the columns have them."""
        return (
            self.acknowledge_median, self.acknowledge_p90, self.resolve_median, self.resolve_p90,
        )  # fmt: skip


class _Percentile(Aggregate):
    """The value below which a share of the values lies, interpolated."""

    template = "percentile_cont(%(share)s) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = DurationField()
    allow_distinct = False

    def __init__(self, end: str, share: float) -> None:
        duration = ExpressionWrapper(F(end) - F("created_at"), output_field=DurationField())
        super().__init__(duration, share=share)


def _aggregates() -> dict[str, Any]:
    return {
        "alerts": Count("pk"),
        "open": Count("pk", filter=Q(is_resolved=False)),
        "occurrences": Sum("occurrences"),
        "acknowledge_median": _Percentile("acknowledged_at", 0.5),
        "acknowledge_p90": _Percentile("acknowledged_at", 0.9),
        "resolve_median": _Percentile("resolved_at", 0.5),
        "resolve_p90": _Percentile("resolved_at", 0.9),
    }


def _facility() -> Coalesce:
    place = KeyTextTransform("facility", "robot__location")
    return Coalesce(place, Value(""), output_field=CharField())


def _rows(principal: Any, start: datetime, end: datetime, facility: str) -> QuerySet[Any]:
    rows: QuerySet[Any] = Alert.objects.restrict(principal).filter(
        created_at__gte=start, created_at__lt=end
    )
    if facility:
        rows = rows.filter(robot__location__facility=facility)
    return rows.order_by()


def alert_figures(
    principal: Any,
    *,
    by: str,
    start: datetime,
    end: datetime,
    facility: str = "",
    limit: int = MAX_ROWS,
) -> list[AlertFigures]:
    """Return the figures of rules, robots or facilities, the noisiest first.

    Runs one query.

    Args:
        principal: User or API key.
        by: One of `FiguresBy`.
        start: Start of the period in which the alerts were opened.
        end: End of the period, exclusive.
        facility: Only robots of this facility.
        limit: Maximum number of rows.
    """
    rows = _rows(principal, start, end, facility)
    if by == FiguresBy.FACILITY:
        rows = rows.values(group_facility=_facility())
    elif by == FiguresBy.RULE:
        rows = rows.values("key")
    elif by == FiguresBy.ROBOT:
        rows = rows.values("robot_id")
    else:
        rows = rows.values("robot_id", "key")
    found = rows.annotate(
        robot_name=Max("robot__name"),
        rule_title=Max("title"),
        facility_name=Max(_facility()),
        **_aggregates(),
    ).order_by("-alerts", "-occurrences", "rule_title", "robot_name")
    has_robot = by in {FiguresBy.ROBOT, FiguresBy.ROBOT_AND_RULE}
    has_rule = by in {FiguresBy.RULE, FiguresBy.ROBOT_AND_RULE}
    return [
        AlertFigures(
            robot=(row["robot_name"] or "No robot") if has_robot else "",
            rule=row["rule_title"] if has_rule else "",
            facility=(row["facility_name"] if has_robot or by == FiguresBy.FACILITY else ""),
            **{name: row[name] for name in _aggregates()},
        )
        for row in found[:limit]
    ]


def alert_totals(
    principal: Any, *, start: datetime, end: datetime, facility: str = ""
) -> AlertFigures:
    """Return the figures of all alerts of a period; one query."""
    found = _rows(principal, start, end, facility).aggregate(**_aggregates())
    return AlertFigures("", "", "", **{**found, "occurrences": found["occurrences"] or 0})
