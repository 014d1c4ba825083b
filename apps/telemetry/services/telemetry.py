"""Ingest telemetry: each point is stored once and acknowledged after commit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from apps.telemetry.exceptions import BusyError, SendingApiKeyInvalidError, StaleReferenceError
from apps.telemetry.protocols.points import DecodedBatch, Rejection
from apps.telemetry.services.ingest.after_commit import publish_points
from apps.telemetry.services.ingest.encoded_batch import EncodedBatch
from apps.telemetry.services.ingest.encoding import encode_batch
from apps.telemetry.services.ingest.fair_share import fair_share
from apps.telemetry.services.ingest.group_commit import GroupCommitter
from apps.telemetry.services.ingest.robot_cache import invalidate_robots
from apps.telemetry.services.ingest.writer import PendingWrite, SendingApiKey, write_group

_MAX_ATTEMPTS = 3
_committer: GroupCommitter[PendingWrite] = GroupCommitter(
    write_group, publish_points, is_alone=fair_share.is_alone
)


class IngestResult(msgspec.Struct, omit_defaults=True):
    """The result of a batch.

    Attributes:
        accepted: Number of new points.
        duplicate: Number of points that were already stored.
        rejected: Points that were not stored.
        normalized_units: Codes that replaced units as they were sent.
    """

    accepted: int
    duplicate: int
    rejected: list[Rejection]
    normalized_units: dict[str, str] = msgspec.field(default_factory=dict)


def telemetry_ingest(
    *,
    organization_id: UUID,
    decode: Callable[[], DecodedBatch],
    bound_robot_id: UUID | None = None,
    key: SendingApiKey | None = None,
    is_live: bool = True,
) -> IngestResult:
    """Store a batch in one transaction; it is committed when this returns.

    Other batches of the organization may share the transaction; an error in one does not affect
    the others. A point whose robot, metric and time are already stored counts as a duplicate. With
    another value it is rejected as a conflict, and the stored value stays. Afterwards, in
    transactions of their own, the robots' last seen is updated and live pages are notified.

    Args:
        organization_id: Organization that owns the robots.
        decode: Returns the decoded batch. Called again when a cached robot turns out to be stale:
            decoded points need five times the memory of their text, so they are not kept while
            the encoded batch waits to be written. Its exceptions are passed on.
        bound_robot_id: The robot to which the API key is bound: the only one it may name, and the
            default for points that name none.
        key: The API key that sends the batch, if any; verified again in the transaction.
        is_live: Whether the robots send it now. If not, as in an import, their last seen stays,
            and live pages are not notified.

    Raises:
        SendingApiKeyInvalidError: The API key is no longer valid.
        BusyError: The server is overloaded.
    """
    for _ in range(_MAX_ATTEMPTS):
        with fair_share.turn(organization_id):
            batch = encode_batch(organization_id, decode(), timezone.now(), bound_robot_id)
        write = PendingWrite(batch, key, is_live)
        _committer.submit(organization_id, write)
        if not isinstance(write.error, StaleReferenceError):
            break
        invalidate_robots(organization_id)
        if key is not None and key.id in write.error.ids:
            raise SendingApiKeyInvalidError
    if write.error is not None:
        raise _copy_of_error(write.error) from write.error
    return _ingest_result(write)


def telemetry_ingest_in_parts(
    *,
    organization_id: UUID,
    batch: DecodedBatch,
    bound_robot_id: UUID | None,
    key: SendingApiKey | None,
) -> IngestResult:
    """Store a decoded batch in parts, each in its own transaction.

    For formats whose requests have more points than `TELEMETRY_MAX_POINTS`. If a part fails, the
    previous ones stay stored. When the sender sends the request again, they count as duplicates.

    Args:
        organization_id: Organization that owns the robots.
        batch: Decoded points and rejections.
        bound_robot_id: As for `telemetry_ingest`.
        key: As for `telemetry_ingest`.

    Raises:
        SendingApiKeyInvalidError: The API key is no longer valid.
        BusyError: The server is overloaded.
    """
    total = IngestResult(0, 0, list(batch.rejected))
    size = settings.TELEMETRY_MAX_POINTS
    for start in range(0, len(batch.points), size):
        result = telemetry_ingest(
            organization_id=organization_id,
            decode=partial(DecodedBatch, batch.points[start : start + size]),
            bound_robot_id=bound_robot_id,
            key=key,
        )
        total.accepted += result.accepted
        total.duplicate += result.duplicate
        total.rejected += result.rejected
    total.rejected.sort(key=lambda rejection: rejection.index)
    return total


def _copy_of_error(error: Exception) -> Exception:
    """Return an own copy of an error that a group shares."""
    if isinstance(error, OperationalError | InterfaceError):
        return OperationalError(*error.args)
    return BusyError() if isinstance(error, StaleReferenceError) else error


def _ingest_result(write: PendingWrite) -> IngestResult:
    batch = write.batch
    duplicate, conflicts = _split_conflicts(batch, write)
    rejected = batch.rejected + [_conflict_rejection(index) for index in conflicts]
    rejected.sort(key=lambda rejection: rejection.index)
    return IngestResult(len(write.stored), duplicate, rejected, batch.normalized_units)


def _split_conflicts(batch: EncodedBatch, write: PendingWrite) -> tuple[int, list[int]]:
    """Return the number of duplicates, and the indexes of conflicts."""
    existing = []
    if len(write.stored) < len(batch.points):
        new = {point.index for point in write.stored}
        existing = [
            (point, point.index, point.value) for point in batch.points if point.index not in new
        ]
    if batch.repeats:
        first = {point.key: point for point in batch.points}
        existing += [(first[repeat.key], repeat.index, repeat.value) for repeat in batch.repeats]
    conflicts = [
        index
        for point, index, value in existing
        if value != write.conflicting_values.get(point.key, point.value)
    ]
    return len(existing) - len(conflicts), conflicts


def _conflict_rejection(index: int) -> Rejection:
    detail = "A different value is already stored for this robot, metric and time."
    return Rejection(index, "conflict", detail)
