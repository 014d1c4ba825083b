"""Telemetry in: stored once, acknowledged after commit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Q
from django.utils import timezone
from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from apps.robots.models import Robot
from apps.robots.services import robots_heard
from apps.telemetry.batches import Key, batches_add
from apps.telemetry.points import Batch, Point, Rejection, point_fault
from apps.telemetry.retention import telemetry_kept_since
from urfmp.common.events import publish, telemetry_events
from urfmp.common.tenancy import Actor, tenant_transaction

_COLUMNS = "robot_id, metric_name, time, value, unit, metadata"
_TYPES = ["uuid", "varchar", "timestamptz", "float8", "varchar", "jsonb"]
_STAGING = """
    CREATE TEMPORARY TABLE IF NOT EXISTS telemetry_staging (
        ordinal integer, robot_id uuid, metric_name varchar(100), time timestamptz,
        value double precision, unit varchar(20), metadata jsonb
    ) ON COMMIT DELETE ROWS
"""


@dataclass(frozen=True)
class Row:
    """A point of a known robot, ready to be stored, with its place in the batch."""

    index: int
    robot_id: UUID
    point: Point

    @property
    def key(self) -> Key:
        """What makes a point unique."""
        return self.robot_id, self.point.metric_name, self.point.time

    def columns(self) -> tuple[Any, ...]:
        """Return the row in the order in which it is copied."""
        point = self.point
        metadata = Jsonb(point.metadata) if point.metadata is not None else None
        return (*self.key, point.value, point.unit, metadata)


class IngestResult(msgspec.Struct):
    """What became of a batch: how many points are new, how many were there, and which failed."""

    accepted: int
    duplicate: int
    rejected: list[Rejection]


def telemetry_ingest(
    *, organization_id: UUID, actor: Actor, batch: Batch, own_robot_id: UUID | None = None
) -> IngestResult:
    """Store a batch in one transaction; when this returns, it is committed.

    A point whose robot, metric and time are already stored counts as a duplicate, or as a
    conflict when its value is another; the stored one stays. Afterwards, in transactions of
    their own, the robots are noted as heard of, and live pages are told.

    Args:
        organization_id: Whose robots may be named.
        actor: The key that sends.
        batch: Decoded items.
        own_robot_id: The robot to which the key is bound: the only one it may name, and the one
            meant where an item names none.
    """
    rejected = list(batch.rejected)
    with tenant_transaction(organization_id, actor):
        rows = _checked(organization_id, batch, own_robot_id, rejected)
        fresh: dict[Key, Row] = {}
        for row in rows:
            fresh.setdefault(row.key, row)
        stored, others = _store(fresh)
        batches_add(organization_id, [row.key for row in stored])
    duplicate, conflicts = _judge(rows, stored, others, fresh)
    rejected += conflicts
    rejected.sort(key=lambda rejection: rejection.index)
    _tell(organization_id, actor, rows, stored)
    return IngestResult(len(stored), duplicate, rejected)


def _checked(
    organization_id: UUID, batch: Batch, own_robot_id: UUID | None, rejected: list[Rejection]
) -> list[Row]:
    now = timezone.now()
    oldest = telemetry_kept_since(organization_id, now)
    find = _robot_finder([point for _, point in batch.points], own_robot_id)
    rows = []
    for index, point in batch.points:
        robot_id = find(point)
        fault = point_fault(point, now, oldest)
        if robot_id is None:
            rejected.append(
                Rejection(index, "unknown_robot", "There is no such robot, or it is not yours.")
            )
        elif fault is not None:
            rejected.append(Rejection(index, *fault))
        else:
            rows.append(Row(index, robot_id, point))
    return rows


def _robot_finder(points: list[Point], own_robot_id: UUID | None) -> Callable[[Point], UUID | None]:
    """Return a look-up from a point to its robot's id, made with one query."""
    ids = {point.robot_id for point in points if point.robot_id}
    serials = {point.serial_number for point in points if point.serial_number}
    serials = {serial for serial in serials if "\x00" not in serial}
    if own_robot_id is not None:
        wanted = Q(pk=own_robot_id)
    else:
        wanted = Q(pk__in=ids) | Q(serial_number__in=serials)
    robots = Robot.objects.filter(wanted, is_active=True).values_list("pk", "serial_number")
    by_id = {pk: serial for pk, serial in robots}  # noqa: C416 - says what it maps
    by_serial = {serial: pk for pk, serial in by_id.items() if serial}

    def find(point: Point) -> UUID | None:
        if point.robot_id is None and point.serial_number is None:
            return own_robot_id if own_robot_id in by_id else None
        robot_id = point.robot_id or by_serial.get(point.serial_number)
        if robot_id not in by_id:
            return None
        same = point.serial_number is None or by_id[robot_id] == point.serial_number
        return robot_id if same else None

    return find


def _conflict(index: int) -> Rejection:
    detail = "Another value is stored for this robot, metric and time; it stays."
    return Rejection(index, "conflict", detail)


def _store(fresh: dict[Key, Row]) -> tuple[list[Row], dict[Key, float]]:
    """Store rows; return those that are new, and the stored values that differ from theirs."""
    rows = sorted(fresh.values(), key=lambda row: row.key)
    if not rows:
        return [], {}
    try:
        with transaction.atomic():
            _copy(f"COPY robot_telemetry ({_COLUMNS})", _TYPES, (row.columns() for row in rows))
    except (IntegrityError, UniqueViolation):
        return _store_new(fresh, rows)
    return rows, {}


def _judge(
    rows: list[Row], stored: list[Row], others: dict[Key, float], fresh: dict[Key, Row]
) -> tuple[int, list[Rejection]]:
    """Tell duplicates from conflicts, each against the value that is stored now."""
    new = {id(row) for row in stored}
    duplicate, conflicts = 0, []
    for row in rows:
        if id(row) in new:
            continue
        if row.point.value == others.get(row.key, fresh[row.key].point.value):
            duplicate += 1
        else:
            conflicts.append(_conflict(row.index))
    return duplicate, conflicts


def _copy(statement: str, types: list[str], rows: Iterable[tuple[Any, ...]]) -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy(f"{statement} FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


def _store_new(fresh: dict[Key, Row], rows: list[Row]) -> tuple[list[Row], dict[Key, float]]:
    """Store through a staging table what is not there yet."""
    with connection.cursor() as cursor:
        cursor.execute(_STAGING)
        _copy(
            f"COPY telemetry_staging (ordinal, {_COLUMNS})",
            ["int4", *_TYPES],
            ((ordinal, *row.columns()) for ordinal, row in enumerate(rows)),
        )
        cursor.execute(
            f"INSERT INTO robot_telemetry ({_COLUMNS})"  # noqa: S608 - constant columns
            f" SELECT {_COLUMNS} FROM telemetry_staging ORDER BY ordinal"
            " ON CONFLICT DO NOTHING RETURNING robot_id, metric_name, time"
        )
        new = set(cursor.fetchall())
        # A statement of its own, so that it sees what was committed while the insert waited.
        cursor.execute(
            "SELECT s.ordinal, t.value FROM telemetry_staging s"
            " JOIN robot_telemetry t USING (robot_id, metric_name, time)"
            " WHERE t.value IS DISTINCT FROM s.value"
        )
        others = {rows[ordinal].key: value for ordinal, value in cursor.fetchall()}
    return [row for key, row in fresh.items() if key in new], others


def _tell(organization_id: UUID, actor: Actor, rows: list[Row], stored: list[Row]) -> None:
    """Note the robots as heard of, and tell live pages. The points are safe whatever happens."""
    if rows:
        with suppress(DatabaseError), tenant_transaction(organization_id, actor):
            robots_heard({row.robot_id for row in rows})
    if stored:
        events = telemetry_events((*row.key, row.point.value, row.point.unit) for row in stored)
        publish(organization_id, *events)
