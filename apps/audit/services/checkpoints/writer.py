"""Write checkpoints."""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection, transaction
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException

from apps.audit.services.checkpoints.file import (
    FILE_NAME,
    Checkpoint,
    CheckpointError,
    Gap,
    OldestRow,
    append_line,
    read_last_checkpoint,
)
from urfmp.db.backends.postgresql.base import connect_as_owner

logger = logging.getLogger(__name__)

# Serializes the workers of all machines that share one database and folder.
_ADVISORY_LOCK_ID = 5_411_300_417
_RECORD_SQL = "SELECT audit_checkpoint_record(%s, %s, %s, %s, %s)"


def checkpoint_enqueue() -> None:
    """Enqueue a checkpoint now instead of waiting for the periodic one.

    Call it after the commit, so that a checkpoint that is already queued includes the commit.
    Errors are ignored.
    """
    # The periodic job writes a checkpoint every 15 minutes anyway.
    with suppress(AlreadyEnqueued, ConnectorException, DatabaseError), transaction.atomic():
        app.configure_task("audit.checkpoint", queueing_lock="audit.checkpoint").defer(
            timestamp=int(time.time())
        )


def signing_key() -> Ed25519PrivateKey:
    """Return the private key from the settings.

    Raises:
        ImproperlyConfigured: The key is not 32 bytes in hexadecimal.
    """
    try:
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(settings.AUDIT_CHECKPOINT_KEY))
    except ValueError as error:
        msg = "AUDIT_CHECKPOINT_KEY is not 32 bytes in hexadecimal; see .env.example."
        raise ImproperlyConfigured(msg) from error


def public_key() -> str:
    """Return the public key that verifies signatures, in hexadecimal."""
    return signing_key().public_key().public_bytes_raw().hex()


def checkpoint_write(folder: Path, *, now: datetime | None = None) -> Checkpoint:
    """Append a signed checkpoint of all chains, and audit it.

    The line is synced to disk before the audit row commits, so the file is never behind the audit
    log. An incomplete last line, left by a crash, is removed; no audit row refers to it.

    Args:
        folder: Folder of the checkpoint file; created if it does not exist.
        now: Time of the checkpoint, for tests.

    Raises:
        CheckpointError: The last line of the file is invalid, or earlier checkpoints were recorded
            with another key.
        OSError: The file cannot be written.
    """
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    key = signing_key()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ADVISORY_LOCK_ID])
        last = read_last_checkpoint(folder / FILE_NAME)
        checkpoint = Checkpoint(
            number=last.number + 1 if last else 1,
            time=now or timezone.now(),
            previous=last.signature if last else "",
            **_read_chains(cursor),
        ).signed(key)
        _record(cursor, checkpoint)
        append_line(folder / FILE_NAME, checkpoint.line())
    logger.info("Audit checkpoint: %s", checkpoint.line().rstrip())
    return checkpoint


def checkpoint_key_replace() -> None:
    """Let the next checkpoint be recorded with another key.

    Requires a connection as the tables' owner: the run-time role could otherwise record forged
    checkpoints.
    """
    with connect_as_owner() as owner:
        owner.execute("DELETE FROM audit_checkpoint_seals")


def _read_chains(cursor: Any) -> dict[str, Any]:
    """Return newest row, oldest row and gaps of each chain."""
    cursor.execute(
        "SELECT chain, seq, hash, oldest_seq, oldest_hash, oldest_time FROM audit_chain_bounds()"
    )
    heads: dict[str, tuple[int, str]] = {}
    oldest: dict[str, OldestRow] = {}
    for chain, seq, digest, oldest_seq, oldest_digest, oldest_time in cursor.fetchall():
        heads[str(chain)] = (seq, bytes(digest).hex())
        if oldest_seq is not None:
            oldest_at = oldest_time.astimezone(UTC)
            oldest[str(chain)] = OldestRow(oldest_seq, bytes(oldest_digest).hex(), oldest_at)
    cursor.execute("SELECT chain, first_seq, last_seq, hash FROM audit_chain_gaps()")
    gaps: dict[str, tuple[Gap, ...]] = defaultdict(tuple)
    for chain, first, until, digest in cursor.fetchall():
        gaps[str(chain)] += (Gap(first, until, bytes(digest).hex()),)
    return {"heads": heads, "oldest": oldest, "gaps": dict(gaps)}


def _record(cursor: Any, checkpoint: Checkpoint) -> None:
    """Audit a checkpoint, as the owner of the key.

    The database accepts it from no other. Each record reveals a secret whose hash the previous one
    has stored, and stores the hash of the next secret. It cannot be computed without the key.
    """
    cursor.execute("SELECT audit_checkpoint_seal()")
    (label,) = cursor.fetchone()
    following = str(uuid4())
    seal = hashlib.sha256(_secret(following)).digest()
    values = [checkpoint.number, checkpoint.digest(), _secret(str(label)), following, seal]
    cursor.execute(_RECORD_SQL, values)
    (is_recorded,) = cursor.fetchone()
    if not is_recorded:
        msg = (
            "Earlier checkpoints were recorded with another AUDIT_CHECKPOINT_KEY. Restore it, or"
            " run `manage.py audit_checkpoint --new-key` with MIGRATION_DATABASE_URL set."
        )
        raise CheckpointError(msg)


def _secret(label: str) -> bytes:
    """Return the secret of a label, derived from the key."""
    key = bytes.fromhex(settings.AUDIT_CHECKPOINT_KEY)
    return hmac.digest(key, f"audit-checkpoint:{label}".encode(), "sha256")
