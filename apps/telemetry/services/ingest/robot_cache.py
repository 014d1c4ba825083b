"""Resolve the robots that points name, cached for a minute.

A cached robot may be stale. The writer verifies it in the transaction that stores the points, so
nothing is stored for a robot that was retired or got another serial number in the meantime.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q

from apps.robots.models import Robot
from apps.telemetry.protocols.points import MAX_SERIAL_NUMBER_LENGTH, parse_uuid
from urfmp.common.db.names import normalize_identifier
from urfmp.common.tenancy.context import tenant_transaction

RobotReference = tuple[UUID | str | None, str | None]
"""A robot's id, as it was sent, and its serial number; either may be None."""

_TTL_SECONDS = 60.0
_MAX_ROBOTS_TOTAL = 50_000
_MAX_ROBOTS_PER_QUERY = 5_000


class CachedRobot(NamedTuple):
    """An active robot, as it was read."""

    id: UUID
    serial_number: str | None


@dataclass
class _OrganizationRobots:
    expires_at: float
    is_loaded: bool = False
    by_id: dict[UUID, CachedRobot] = field(default_factory=dict)
    by_serial: dict[str, CachedRobot] = field(default_factory=dict)


_organizations: dict[UUID, _OrganizationRobots] = {}


def invalidate_robots(organization_id: UUID) -> None:
    """Remove an organization's robots from the cache."""
    _organizations.pop(organization_id, None)


def resolve_robots(
    organization_id: UUID, references: Iterable[RobotReference], bound_robot_id: UUID | None
) -> dict[RobotReference, CachedRobot | None]:
    """Return the active robot of each reference; at most two queries.

    Args:
        organization_id: Organization that owns the robots.
        references: Robot references of points; ids that are text are valid UUIDs.
        bound_robot_id: The robot that the API key is bound to. It is the only robot that may be
            named, and the default for `(None, None)`.
    """
    cached = _cached(organization_id)
    lookups = [_Lookup.of(reference, bound_robot_id) for reference in references]
    missing = [lookup for lookup in lookups if lookup.find(cached) is None]
    if missing and not cached.is_loaded:
        # Most of a fleet sends within the next seconds: one query instead of one for each robot.
        cached.is_loaded = True
        _load(organization_id, cached, Q())
        missing = [lookup for lookup in missing if lookup.find(cached) is None]
    if missing and (condition := _lookup_filter(missing)):
        _load(organization_id, cached, condition)
    resolved: dict[RobotReference, CachedRobot | None] = {}
    for lookup in lookups:
        robot = lookup.find(cached)
        if robot is not None and bound_robot_id is not None and robot.id != bound_robot_id:
            robot = None
        if robot is not None and lookup.serial_number not in {None, robot.serial_number}:
            robot = None
        resolved[lookup.reference] = robot
    return resolved


class _Lookup(NamedTuple):
    reference: RobotReference
    robot_id: UUID | None
    serial_number: str | None

    @classmethod
    def of(cls, reference: RobotReference, bound_robot_id: UUID | None) -> _Lookup:
        robot_id, serial_number = reference
        if isinstance(robot_id, str):
            robot_id = parse_uuid(robot_id)
        if robot_id is None and serial_number is None:
            robot_id = bound_robot_id
        if serial_number is not None:
            serial_number = normalize_identifier(serial_number)  # as robots store it
        return cls(reference, robot_id, serial_number)

    def find(self, cached: _OrganizationRobots) -> CachedRobot | None:
        if self.robot_id is not None:
            return cached.by_id.get(self.robot_id)
        return cached.by_serial.get(self.serial_number) if self.serial_number else None


def _cached(organization_id: UUID) -> _OrganizationRobots:
    now = time.monotonic()
    cached = _organizations.get(organization_id)
    if cached is None or cached.expires_at < now:
        if sum(len(each.by_id) for each in [*_organizations.values()]) > _MAX_ROBOTS_TOTAL:
            _organizations.clear()
        cached = _organizations[organization_id] = _OrganizationRobots(now + _TTL_SECONDS)
    return cached


def _lookup_filter(missing: list[_Lookup]) -> Q | None:
    ids = {each.robot_id for each in missing if each.robot_id is not None}
    serials = {
        each.serial_number for each in missing if each.robot_id is None and each.serial_number
    }
    serials = {
        text for text in serials if len(text) <= MAX_SERIAL_NUMBER_LENGTH and "\x00" not in text
    }
    return Q(pk__in=ids) | Q(serial_number__in=serials) if ids or serials else None


def _load(organization_id: UUID, cached: _OrganizationRobots, condition: Q) -> None:
    robots = Robot.objects.unscoped(reason="a sender's key may write to any of them")
    found = robots.filter(condition, is_active=True).order_by().values_list("pk", "serial_number")
    with tenant_transaction(organization_id):
        rows = list(found[:_MAX_ROBOTS_PER_QUERY])
    for pk, serial_number in rows:
        robot = CachedRobot(pk, serial_number)
        cached.by_id[pk] = robot
        if serial_number:
            cached.by_serial[serial_number] = robot
