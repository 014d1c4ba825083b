"""Verify the checkpoint file, and the audit chains against it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db import DataError, connection, transaction
from django.utils import timezone

from apps.audit.services.checkpoints.file import (
    FILE_NAME,
    Checkpoint,
    CheckpointError,
    Gap,
    read_checkpoints,
)

_RETENTION = timedelta(days=365)
# Rows carry their transaction's start time; checkpoints, the time they were written.
_TOLERANCE = timedelta(days=1)


def checkpoints_verify(folder: Path, public: str) -> list[str]:
    """Verify the checkpoint file, and the chains against it.

    Needs no tenant transaction. Reads the file once, and runs one query each for the newest
    recorded checkpoint, the chains and the gaps.

    Args:
        folder: Folder of the checkpoint file.
        public: Public key in hexadecimal.

    Returns:
        Errors found, most severe first; empty if everything is intact.
    """
    path = folder / FILE_NAME
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
    try:
        checkpoints = read_checkpoints(path, key)
    except CheckpointError as error:
        return [str(error)]
    with connection.cursor() as cursor:
        errors = _recorded_checkpoint_errors(cursor, checkpoints, path)
        errors += _chain_errors(cursor, checkpoints)
        gaps = _read_gaps(cursor)
    return errors + _removed_gap_errors(gaps, checkpoints) + _young_gap_errors(gaps, checkpoints)


def _recorded_checkpoint_errors(
    cursor: Any, checkpoints: list[Checkpoint], path: Path
) -> list[str]:
    try:
        with transaction.atomic():
            cursor.execute("SELECT number, digest FROM audit_checkpoint_told()")
            recorded = cursor.fetchone()
    except DataError:
        recorded = (None, None)
    if recorded is None:
        return []
    number, digest = recorded
    if number is None or number < 1:
        return ["The audit row of the newest checkpoint is invalid: it was altered."]
    if not checkpoints or checkpoints[-1].number < number:
        return [f"{path} lacks checkpoint {number}, which the audit log contains."]
    if checkpoints[number - 1].digest() != digest:
        return [f"Checkpoint {number} differs from the one in the audit log."]
    return []


def _chain_errors(cursor: Any, checkpoints: list[Checkpoint]) -> list[str]:
    """Return rows whose hash differs from that in a checkpoint."""
    # A set, because most rows are the same from one checkpoint to the next.
    rows = {
        (chain, seq, digest) for item in checkpoints for chain, (seq, digest) in item.heads.items()
    }
    for item in checkpoints:
        rows |= {(chain, row.seq, row.hash) for chain, row in (item.oldest or {}).items()}
    cursor.execute(
        "SELECT chain, seq, fault FROM audit_compare(%s::uuid[], %s, %s)",
        [
            [chain for chain, _, _ in rows],
            [seq for _, seq, _ in rows],
            [bytes.fromhex(digest) for _, _, digest in rows],
        ],
    )
    return [
        f"{_chain_owner(chain)}: number {seq}: {error}" for chain, seq, error in cursor.fetchall()
    ]


def _read_gaps(cursor: Any) -> dict[str, list[Gap]]:
    cursor.execute("SELECT chain, first_seq, last_seq, hash FROM audit_chain_gaps()")
    gaps: dict[str, list[Gap]] = {}
    for chain, first, last, digest in cursor.fetchall():
        gaps.setdefault(str(chain), []).append(Gap(first, last, bytes(digest).hex()))
    return gaps


def _removed_gap_errors(gaps: dict[str, list[Gap]], checkpoints: list[Checkpoint]) -> list[str]:
    """Return altered gaps of the newest checkpoint; gaps only grow."""
    signed = (checkpoints[-1].gaps if checkpoints else None) or {}
    return [
        f"{_chain_owner(chain)}: the gap from {gap.first} to {gap.last} was altered"
        for chain, found in signed.items()
        for gap in found
        if not any(_contains(current, gap) for current in gaps.get(chain, []))
    ]


def _contains(current: Gap, signed: Gap) -> bool:
    is_hash_kept = current.last > signed.last or current.hash == signed.hash
    return current.first <= signed.first and current.last >= signed.last and is_hash_kept


def _young_gap_errors(gaps: dict[str, list[Gap]], checkpoints: list[Checkpoint]) -> list[str]:
    """Return gaps whose rows were too young for the clean-up.

    The clean-up removes only rows older than a year, and every checkpoint limits the age of a
    row.
    """
    newest_removable = timezone.now() - _RETENTION + _TOLERANCE
    errors = []
    for chain, found in gaps.items():
        for gap in found:
            time = _earliest_time(chain, gap.last, checkpoints)
            if time is not None and time > newest_removable:
                errors.append(
                    f"{_chain_owner(chain)}: numbers {gap.first} to {gap.last} are missing, though"
                    " less than a year old"
                )
    return errors


def _earliest_time(chain: str, seq: int, checkpoints: list[Checkpoint]) -> datetime | None:
    """Return the earliest time of a row; None if unknown.

    A row that a checkpoint does not include is younger than the checkpoint. A row that it includes
    is younger than the oldest row of that time, or is that row.
    """
    times = []
    for item in checkpoints:
        if item.heads.get(chain, (0, ""))[0] < seq:
            times.append(item.time)
        elif (oldest := (item.oldest or {}).get(chain)) is not None and oldest.seq <= seq:
            times.append(oldest.time)
    return max(times, default=None)


def _chain_owner(chain: UUID | str) -> str:
    return "the platform" if UUID(str(chain)).int == 0 else str(chain)
