"""The fleet as a tree of facilities, areas and cells."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Max, QuerySet
from django.urls import reverse
from django.utils.http import urlencode

from apps.alerts.choices.alerts import AlertSeverity
from apps.alerts.models import Alert
from apps.alerts.selectors.alerts import OpenAlerts, severity_rank
from apps.organizations.models import Facility
from apps.robots.choices import RobotStatus
from apps.robots.models import Robot
from apps.robots.selectors.availability import STATUS_SEVERITY
from apps.robots.selectors.places import NO_PLACE, PLACE_LEVELS, place_name, robots_in_place

# Nodes on one page; the others follow on the next ones.
MAX_NODES = 100
_PLURALS = {"facility": "facilities", "area": "areas", "cell": "cells"}


@dataclass(frozen=True)
class TreeNode:
    """A place with the robots in service that work in it.

    Attributes:
        path: Names of the place and those above it, the facility first; empty names for robots
            without one.
        statuses: Number of robots in each status.
        alerts: Open alerts of the robots; None if there are none.
    """

    path: tuple[str, ...]
    statuses: Counter[str] = field(default_factory=Counter)
    alerts: OpenAlerts | None = None

    @property
    def level(self) -> str:
        """Kind of the place."""
        return PLACE_LEVELS[len(self.path) - 1]

    @property
    def name(self) -> str:
        """Name of the place for users."""
        return self.path[-1] or f"No {self.level}"

    @property
    def robots(self) -> int:
        """Number of robots in service."""
        return self.statuses.total()

    @property
    def worst(self) -> RobotStatus | None:
        """The most severe status of the robots; None without robots."""
        return next((status for status in STATUS_SEVERITY if self.statuses[status]), None)

    @property
    def summary(self) -> str:
        """Number of robots in each status, the most severe first."""
        return ", ".join(
            f"{self.statuses[status]} {status.label.lower()}"
            for status in STATUS_SEVERITY
            if self.statuses[status]
        )

    @property
    def children_kind(self) -> str:
        """Plural of the places below; empty for a cell."""
        below = PLACE_LEVELS[len(self.path) : len(self.path) + 1]
        return _PLURALS[below[0]] if below else ""

    @property
    def address(self) -> str:
        """Address of the page with the places below, if any."""
        return tree_address(self.path) if self.children_kind and self.robots else ""

    @property
    def stop_address(self) -> str:
        """Address of a stop request; empty where none is possible."""
        return stop_address(self.path) if self.robots else ""

    @property
    def robots_address(self) -> str:
        """Address of the list of the robots."""
        query = {level: name or NO_PLACE for level, name in self._named()}
        query |= {"is_active__exact": "1"}
        return f"{reverse('admin:robots_robot_changelist')}?{urlencode(query)}"

    def _named(self) -> zip[tuple[str, str]]:
        return zip(PLACE_LEVELS, self.path, strict=False)


@dataclass(frozen=True)
class TreePart:
    """One page of the places below a place.

    Attributes:
        nodes: Places in the order of their names, those without a name last.
        level: Which kind of places they are.
        total: Number of places on all pages, with that of robots without a place.
        named: Number of places with a name on all pages.
        page: Number of this page, from 1.
    """

    nodes: list[TreeNode]
    level: str
    total: int
    named: int
    page: int

    @property
    def kind(self) -> str:
        """Plural of the places, such as areas."""
        return _PLURALS[self.level]

    @property
    def count_label(self) -> str:
        """Number and kind of the places with a name."""
        return f"{self.named} {self.level if self.named == 1 else self.kind}"

    @property
    def next_page(self) -> int | None:
        """Number of the next page; None on the last one."""
        return self.page + 1 if self.page * MAX_NODES < self.total else None


def tree_address(path: tuple[str, ...]) -> str:
    """Return the address of the page with the places below a path."""
    query = urlencode(dict(zip(PLACE_LEVELS, path, strict=False)))
    return f"{reverse('admin:fleet_tree_page')}{'?' if query else ''}{query}"


def stop_address(path: tuple[str, ...]) -> str:
    """Return the address at which a stop of a place is requested.

    Empty for robots without a place: only a named place can be stopped.
    """
    if not path or not all(path):
        return ""
    query = urlencode(dict(zip(PLACE_LEVELS, path, strict=False)))
    return f"{reverse('admin:place_stop_page')}?{query}"


def fleet_tree(principal: Any, path: tuple[str, ...], page: int = 1) -> TreePart:
    """Return the places below a path. Runs at most four queries.

    Args:
        principal: User whose visible robots are counted.
        path: Names of the places above: none, a facility, or a facility and an area.
        page: Number of the page; beyond the last one the last.
    """
    level = PLACE_LEVELS[len(path)]
    robots: QuerySet[Any] = Robot.objects.restrict(principal).in_service()
    alerts = Alert.objects.restrict(principal).unresolved()
    for above, name in zip(PLACE_LEVELS, path, strict=False):
        robots = robots_in_place(robots, above, name)
    statuses: dict[str, Counter[str]] = {}
    if not path:
        names = Facility.objects.restrict(principal).values_list("name", flat=True)
        statuses = {name: Counter() for name in names}
    rows = robots.order_by().values_list(place_name(level), "status").annotate(Count("pk"))
    for name, status, count in rows:
        statuses.setdefault(name, Counter())[status or ""] += count
    found = sorted(statuses, key=lambda name: (not name, name.casefold(), name))
    last = max((len(found) - 1) // MAX_NODES + 1, 1)
    page = min(max(page, 1), last)
    shown = found[(page - 1) * MAX_NODES : page * MAX_NODES]
    open_alerts = _alerts_by_place(robots, alerts, level)
    nodes = [TreeNode((*path, name), statuses[name], open_alerts.get(name)) for name in shown]
    return TreePart(nodes, level, len(found), sum(map(bool, found)), page)


def _alerts_by_place(
    robots: QuerySet[Any], alerts: QuerySet[Any], level: str
) -> dict[str, OpenAlerts]:
    """Return the open alerts of robots by place; two queries.

    Not a join: until the statistics of the tables follow an import, PostgreSQL expects one robot
    and compares each alert with all of them.
    """
    rows = (
        alerts.filter(robot__isnull=False)
        .order_by()
        .values_list("robot_id")
        .annotate(number=Count("pk"), worst=Max(severity_rank()))
    )
    by_robot = {robot: (number, worst) for robot, number, worst in rows}
    counts: Counter[str] = Counter()
    worst: dict[str, int] = {}
    places = robots.filter(pk__in=by_robot).order_by().values_list("pk", place_name(level))
    for robot, name in places:
        number, rank = by_robot[robot]
        counts[name] += number
        worst[name] = max(rank, worst.get(name, rank))
    severities = list(AlertSeverity)
    return {name: OpenAlerts(count, severities[worst[name]]) for name, count in counts.items()}
