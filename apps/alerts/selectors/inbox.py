"""Alerts as an inbox: groups with members, and storms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import CharField, Count, F, Max, Min, Q, QuerySet, TextChoices, Value, Window
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Coalesce, RowNumber
from django.utils import timezone

from apps.alerts.choices.alerts import AlertSeverity
from apps.alerts.models import Alert
from apps.alerts.selectors.alerts import severity_rank

MAX_GROUPS = 50
MAX_MEMBERS = 20
MIN_STORM_ROBOTS = 5
STORM_SPAN = timedelta(minutes=30)
RESOLVED_SPAN = timedelta(days=7)


class InboxState(TextChoices):
    """Alerts that the inbox shows."""

    OPEN = "open", "Open"
    NEW = "new", "Not acknowledged"
    ACKNOWLEDGED = "acknowledged", "Acknowledged"
    SNOOZED = "snoozed", "Snoozed"
    RESOLVED = "resolved", "Resolved, of the last 7 days"


class InboxAssignee(TextChoices):
    """Assignees of the alerts that the inbox shows."""

    ANY = "", "Anyone"
    MINE = "mine", "Me"
    NONE = "none", "No one"


class InboxGrouping(TextChoices):
    """What the alerts of a group have in common."""

    RULE = "rule", "Rule"
    ROBOT = "robot", "Robot"
    FACILITY = "facility", "Facility"


@dataclass(frozen=True)
class InboxFilters:
    """Which alerts the inbox shows, and how it groups them."""

    state: str = InboxState.OPEN
    severity: str = ""
    facility: str = ""
    assignee: str = InboxAssignee.ANY
    group: str = InboxGrouping.RULE


@dataclass
class InboxGroup:
    """Alerts of one rule, robot or facility.

    Attributes:
        key: Value that the alerts have in common; empty for none.
        title: Name of the group.
        count: Number of alerts.
        robots: Number of their robots.
        new: Number of alerts that are not acknowledged.
        severity: Highest severity.
        first: Time of the earliest report.
        last: Time of the latest report.
        members: The most severe and newest alerts, at most 20.
    """

    key: str
    title: str
    count: int
    robots: int
    new: int
    severity: AlertSeverity
    first: datetime
    last: datetime
    members: list[Alert] = field(default_factory=list)

    @property
    def hidden(self) -> int:
        """Number of alerts that are not among the members."""
        return self.count - len(self.members)


@dataclass(frozen=True)
class Storm:
    """Robots of a facility whose alerts began at about one time."""

    facility: str
    alerts: int
    robots: int


def _facility() -> Coalesce:
    place = KeyTextTransform("facility", "robot__location")
    return Coalesce(place, Value(""), output_field=CharField())


def _group_key(grouping: str) -> Any:
    if grouping == InboxGrouping.ROBOT:
        return Coalesce(Cast("robot_id", CharField()), Value(""))
    return _facility() if grouping == InboxGrouping.FACILITY else F("key")


def inbox_alerts(principal: Any, filters: InboxFilters) -> QuerySet[Any]:
    """Return the alerts that the filters select, with their `group_key`."""
    rows: QuerySet[Any] = Alert.objects.restrict(principal).order_by()
    if filters.state == InboxState.RESOLVED:
        rows = rows.filter(is_resolved=True, created_at__gte=timezone.now() - RESOLVED_SPAN)
    else:
        rows = rows.filter(is_resolved=False)
    if filters.state in {InboxState.NEW, InboxState.ACKNOWLEDGED}:
        rows = rows.filter(is_acknowledged=filters.state == InboxState.ACKNOWLEDGED)
    elif filters.state == InboxState.SNOOZED:
        rows = rows.filter(snoozed_until__gt=timezone.now())
    if filters.severity:
        rows = rows.filter(severity=filters.severity)
    if filters.facility:
        rows = rows.filter(robot__location__facility=filters.facility)
    if filters.assignee == InboxAssignee.MINE:
        rows = rows.filter(assigned_to=principal.pk)
    elif filters.assignee == InboxAssignee.NONE:
        rows = rows.filter(assigned_to__isnull=True)
    found: QuerySet[Any] = rows.annotate(group_key=_group_key(filters.group))
    return found


def inbox_groups(principal: Any, filters: InboxFilters) -> tuple[list[InboxGroup], bool]:
    """Return the most severe groups, and whether there are more.

    Runs two queries, whatever the number of alerts: at most 50 groups with 20 members each.
    """
    rows = inbox_alerts(principal, filters)
    counted = rows.values("group_key").annotate(
        count=Count("pk"),
        robots=Count("robot_id", distinct=True),
        new=Count("pk", filter=Q(is_acknowledged=False)),
        worst=Max(severity_rank()),
        first=Min("created_at"),
        last=Max("last_seen_at"),
    )
    found = list(counted.order_by("-worst", "-last", "group_key")[: MAX_GROUPS + 1])
    severities = list(AlertSeverity)
    groups = {
        row["group_key"]: InboxGroup(
            key=row["group_key"], title="", severity=severities[row["worst"]],
            **{name: row[name] for name in ("count", "robots", "new", "first", "last")},
        )
        for row in found[:MAX_GROUPS]
    }  # fmt: skip
    for alert in _members(rows, groups):
        groups[alert.group_key].members.append(alert)
    for group in groups.values():
        group.title = _title(group, filters.group)
    return [group for group in groups.values() if group.members], len(found) > MAX_GROUPS


def _members(rows: QuerySet[Any], keys: Iterable[str]) -> Iterable[Any]:
    order = (severity_rank().desc(), F("last_seen_at").desc(), F("pk").asc())
    numbered: QuerySet[Any] = rows.filter(group_key__in=list(keys)).annotate(
        position=Window(RowNumber(), partition_by=F("group_key"), order_by=order)
    )
    found = numbered.filter(position__lte=MAX_MEMBERS).order_by("group_key", "position")
    return found.select_related("robot", "assigned_to", "rule")


def _title(group: InboxGroup, grouping: str) -> str:
    if not group.members:
        return group.key
    first = group.members[0]
    if grouping == InboxGrouping.ROBOT:
        return str(first.robot) if first.robot else "No robot"
    if grouping == InboxGrouping.FACILITY:
        return group.key or "No facility"
    return str(first.title)


def alerts_of_groups(
    principal: Any, filters: InboxFilters, keys: Iterable[str], limit: int
) -> list[UUID]:
    """Return the alerts of groups, including those that are not shown."""
    rows = inbox_alerts(principal, filters).filter(group_key__in=list(keys))
    return list(rows.order_by("pk").values_list("pk", flat=True)[:limit])


def facility_storms(principal: Any) -> list[Storm]:
    """Return facilities where at least 5 robots have new alerts.

    The alerts are of the last 30 minutes. Runs one query.
    """
    rows = (
        Alert.objects.restrict(principal)
        .unresolved()
        .filter(created_at__gte=timezone.now() - STORM_SPAN, robot__isnull=False)
        .order_by()
        .values(facility=_facility())
        .annotate(alerts=Count("pk"), robots=Count("robot_id", distinct=True))
        .filter(robots__gte=MIN_STORM_ROBOTS)
        .exclude(facility="")
        .order_by("-robots", "facility")
    )
    return [Storm(row["facility"], row["alerts"], row["robots"]) for row in rows]
