"""Telemetry in: stored once, acknowledged after commit."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import msgspec
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from apps.telemetry.exceptions import BusyError, KeyEndedError, RefusedError
from apps.telemetry.protocols.points import Batch, Rejection
from apps.telemetry.services.ingest.after_commit import tell
from apps.telemetry.services.ingest.encoding import Sheet, write_rows
from apps.telemetry.services.ingest.group_commit import Intake
from apps.telemetry.services.ingest.robot_cache import forget_robots
from apps.telemetry.services.ingest.writer import SendingKey, SheetParcel, store_parcels

_TRIES = 3
_intake: Intake[SheetParcel] = Intake(store_parcels, tell)


class IngestResult(msgspec.Struct):
    """What became of a batch: how many points are new, how many were there, and which failed."""

    accepted: int
    duplicate: int
    rejected: list[Rejection]


def telemetry_ingest(
    *,
    organization_id: UUID,
    read: Callable[[], Batch],
    own_robot_id: UUID | None = None,
    key: SendingKey | None = None,
) -> IngestResult:
    """Store a batch in one transaction; when this returns, it is committed.

    Other batches of the organization may share the transaction; none of them fails because of
    another. A point whose robot, metric and time are already stored counts as a duplicate, or as
    a conflict when its value is another; the stored one stays. Afterwards, in transactions of
    their own, the robots are noted as heard of, and live pages are told.

    Args:
        organization_id: Whose robots may be named.
        read: Decodes the items; called again when a robot turned out to be another one than
            remembered. Decoded items take five times the room of their text, so they are not
            held while their rows wait to be stored. What it raises is raised on.
        own_robot_id: The robot to which the key is bound: the only one it may name, and the one
            meant where an item names none.
        key: The key that sends, if one does; looked at again in the transaction.

    Raises:
        KeyEndedError: The key no longer is what it was taken for.
        BusyError: The server has too much to do.
    """
    for _ in range(_TRIES):
        sheet = write_rows(organization_id, read(), timezone.now(), own_robot_id)
        parcel = SheetParcel(sheet, key)
        _intake.submit(organization_id, parcel)
        if not isinstance(parcel.error, RefusedError):
            break
        forget_robots(organization_id)
        if key is not None and key.id in parcel.error.ids:
            raise KeyEndedError
    if parcel.error is not None:
        raise _own(parcel.error) from parcel.error
    return _result(parcel)


def _own(error: Exception) -> Exception:
    """Return an error for this thread alone: several may share the one that was caught."""
    if isinstance(error, OperationalError | InterfaceError):
        return OperationalError(*error.args)
    return BusyError() if isinstance(error, RefusedError) else error


def _result(parcel: SheetParcel) -> IngestResult:
    sheet = parcel.sheet
    duplicate, conflicts = _judge(sheet, parcel)
    rejected = sheet.rejected + [_conflict(index) for index in conflicts]
    rejected.sort(key=lambda rejection: rejection.index)
    return IngestResult(len(parcel.stored), duplicate, rejected)


def _judge(sheet: Sheet, parcel: SheetParcel) -> tuple[int, list[int]]:
    """Tell duplicates from conflicts, each against the value that is stored now."""
    old = []
    if len(parcel.stored) < len(sheet.rows):
        new = {row.place for row in parcel.stored}
        old = [(row, row.place, row.value) for row in sheet.rows if row.place not in new]
    if sheet.repeats:
        first = {row.key: row for row in sheet.rows}
        old += [(first[again.key], again.place, again.value) for again in sheet.repeats]
    conflicts = [
        index for row, index, value in old if value != parcel.others.get(row.key, row.value)
    ]
    return len(old) - len(conflicts), conflicts


def _conflict(index: int) -> Rejection:
    detail = "Another value is stored for this robot, metric and time; it stays."
    return Rejection(index, "conflict", detail)
