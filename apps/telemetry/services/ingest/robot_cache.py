"""Which robots a sender's names stand for, remembered for a moment in each process.

What is remembered is a guess: whoever stores confirms it in the same transaction, so a robot
that has retired meanwhile, or has another serial number, is not written to.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q

from apps.robots.models import Robot
from apps.telemetry.protocols.points import MAX_SERIAL_NUMBER, read_id
from urfmp.common.tenancy.context import tenant_transaction

Name = tuple[UUID | str | None, str | None]
"""A robot's id, as it was sent, and its serial number; one of them or both."""

_SECONDS = 60.0
_MOST_ROBOTS, _MOST_AT_ONCE = 50_000, 5_000


class KnownRobot(NamedTuple):
    """A robot in service, as it was read."""

    id: UUID
    serial_number: str | None


@dataclass
class _Organization:
    ends_at: float
    is_read: bool = False
    by_id: dict[UUID, KnownRobot] = field(default_factory=dict)
    by_serial: dict[str, KnownRobot] = field(default_factory=dict)


_organizations: dict[UUID, _Organization] = {}


def forget_robots(organization_id: UUID) -> None:
    """Read an organization's robots anew the next time they are named."""
    _organizations.pop(organization_id, None)


def find_robots(
    organization_id: UUID, names: Iterable[Name], own_robot_id: UUID | None
) -> dict[Name, KnownRobot | None]:
    """Return the robot in service that each name stands for, or None; at most two queries.

    Args:
        organization_id: Whose robots they are.
        names: As points give them; ids that are text have been checked.
        own_robot_id: The only robot that may be named, and the one meant by `(None, None)`.
    """
    known = _remembered(organization_id)
    wanted = [_Wanted.of(name, own_robot_id) for name in names]
    unknown = [one for one in wanted if one.find(known) is None]
    if unknown and not known.is_read:
        # Most of a fleet sends within the next seconds: one query instead of one for each.
        known.is_read = True
        _read(organization_id, known, Q())
        unknown = [one for one in unknown if one.find(known) is None]
    if unknown and (names_of_unknown := _filter(unknown)):
        _read(organization_id, known, names_of_unknown)
    found: dict[Name, KnownRobot | None] = {}
    for one in wanted:
        robot = one.find(known)
        if robot is not None and own_robot_id is not None and robot.id != own_robot_id:
            robot = None
        if robot is not None and one.name[1] not in {None, robot.serial_number}:
            robot = None
        found[one.name] = robot
    return found


class _Wanted(NamedTuple):
    name: Name
    robot_id: UUID | None
    serial_number: str | None

    @classmethod
    def of(cls, name: Name, own_robot_id: UUID | None) -> _Wanted:
        robot_id, serial_number = name
        if isinstance(robot_id, str):
            robot_id = read_id(robot_id)
        if robot_id is None and serial_number is None:
            robot_id = own_robot_id
        return cls(name, robot_id, serial_number)

    def find(self, known: _Organization) -> KnownRobot | None:
        if self.robot_id is not None:
            return known.by_id.get(self.robot_id)
        return known.by_serial.get(self.serial_number) if self.serial_number else None


def _remembered(organization_id: UUID) -> _Organization:
    now = time.monotonic()
    known = _organizations.get(organization_id)
    if known is None or known.ends_at < now:
        if sum(len(one.by_id) for one in [*_organizations.values()]) > _MOST_ROBOTS:
            _organizations.clear()
        known = _organizations[organization_id] = _Organization(now + _SECONDS)
    return known


def _filter(unknown: list[_Wanted]) -> Q | None:
    ids = {one.robot_id for one in unknown if one.robot_id is not None}
    serials = {one.serial_number for one in unknown if one.robot_id is None and one.serial_number}
    serials = {text for text in serials if len(text) <= MAX_SERIAL_NUMBER and "\x00" not in text}
    return Q(pk__in=ids) | Q(serial_number__in=serials) if ids or serials else None


def _read(organization_id: UUID, known: _Organization, which: Q) -> None:
    robots = Robot.objects.unscoped(reason="a sender's key may write to any of them")
    found = robots.filter(which, is_active=True).order_by().values_list("pk", "serial_number")
    with tenant_transaction(organization_id):
        rows = list(found[:_MOST_AT_ONCE])
    for pk, serial_number in rows:
        robot = KnownRobot(pk, serial_number)
        known.by_id[pk] = robot
        if serial_number:
            known.by_serial[serial_number] = robot
