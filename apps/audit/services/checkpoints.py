"""Signed checkpoints of the audit chains, in a file outside the database.

An attacker who controls the database can rewrite a chain together with its head, or truncate it,
and keep it consistent. A checkpoint therefore stores the heads of all chains, signed with a key
that the database does not have. Each checkpoint contains the signature of the previous one, so a
copy of the file proves later changes.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, DataError, connection, transaction
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException

from apps.audit.services.audit_logs import audit_record

logger = logging.getLogger(__name__)

FILE_NAME = "audit-checkpoints.jsonl"
# Serializes the workers of all machines that share one database and folder.
_ADVISORY_LOCK_ID = 5_411_300_417
_RETENTION = timedelta(days=365)
# A row has the time at which its transaction began, a checkpoint the time of its writing.
_TOLERANCE = timedelta(days=1)


class CheckpointError(Exception):
    """The checkpoint file was altered or is incomplete."""


@dataclass(frozen=True)
class Checkpoint:
    """One line of the checkpoint file.

    Attributes:
        number: Consecutive number, starting at 1.
        time: Aware time of writing.
        heads: Number and hash of the newest row of each chain.
        previous: Signature of the previous line; empty for the first.
        signature: Signature of the other attributes, in hexadecimal.
    """

    number: int
    time: datetime
    heads: dict[str, tuple[int, str]]
    previous: str
    signature: str = ""

    def content(self) -> bytes:
        """Return the bytes that are signed."""
        values = {
            "number": self.number,
            "time": self.time.isoformat(),
            "heads": {chain: list(head) for chain, head in sorted(self.heads.items())},
            "previous": self.previous,
        }
        return json.dumps(values, sort_keys=True, separators=(",", ":")).encode()

    def line(self) -> str:
        """Return the line of the file, with its newline."""
        return f'{self.content().decode()[:-1]},"signature":"{self.signature}"}}\n'


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
        CheckpointError: The last line of the file is invalid.
        OSError: The file cannot be written.
    """
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    key = signing_key()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ADVISORY_LOCK_ID])
        last = _read_last_checkpoint(folder / FILE_NAME)
        cursor.execute("SELECT chain, seq, hash FROM audit_chain_heads()")
        heads = {str(chain): (seq, bytes(digest).hex()) for chain, seq, digest in cursor.fetchall()}
        unsigned = Checkpoint(
            number=last.number + 1 if last else 1,
            time=now or timezone.now(),
            heads=heads,
            previous=last.signature if last else "",
        )
        signature = key.sign(unsigned.content()).hex()
        checkpoint = Checkpoint(unsigned.number, unsigned.time, heads, unsigned.previous, signature)
        _append_line(folder / FILE_NAME, checkpoint.line())
        audit_record(
            action="audit.record.checkpoint",
            resource_type="checkpoint",
            request_data={"number": checkpoint.number, "sha256": _sha256(checkpoint.line())},
        )
    logger.info("Audit checkpoint: %s", checkpoint.line().rstrip())
    return checkpoint


def _sha256(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()


def _append_line(path: Path, line: str) -> None:
    """Append a line, and sync the file and its folder to disk."""
    is_new = not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    try:
        os.write(descriptor, line.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _read_last_checkpoint(path: Path) -> Checkpoint | None:
    """Return the last complete line, and truncate an incomplete one."""
    if not path.exists():
        return None
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        tail, start = b"", size
        while start and tail.count(b"\n") < 2:
            start = max(0, start - 65_536)
            file.seek(start)
            tail = file.read(size - start)
        whole, newline, rest = tail.rpartition(b"\n")
        if rest:
            file.truncate(size - len(rest))
        if not newline:
            return None
    return _parse_line(whole.rpartition(b"\n")[2].decode(), path)


def _parse_line(line: str, path: Path) -> Checkpoint:
    try:
        values: dict[str, Any] = json.loads(line)
        return Checkpoint(
            number=int(values["number"]),
            time=datetime.fromisoformat(values["time"]),
            heads={str(UUID(c)): (int(n), str(h)) for c, (n, h) in values["heads"].items()},
            previous=str(values["previous"]),
            signature=str(values["signature"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{path} contains an invalid line."
        raise CheckpointError(msg) from error


def checkpoints_verify(folder: Path, public: str) -> list[str]:
    """Verify the checkpoint file, and the chains against it.

    Needs no tenant transaction. Reads the file once, and runs one query each for the newest
    recorded checkpoint, the heads and the gaps.

    Args:
        folder: Folder of the checkpoint file.
        public: Public key in hexadecimal.

    Returns:
        Errors found, most severe first; empty if everything is intact.
    """
    path = folder / FILE_NAME
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
    try:
        checkpoints, digests = _read_checkpoints(path, key)
    except CheckpointError as error:
        return [str(error)]
    with connection.cursor() as cursor:
        errors = _recorded_checkpoint_errors(cursor, checkpoints, digests, path)
        errors += _chain_errors(cursor, checkpoints)
        return errors + _gap_errors(cursor, checkpoints)


def _read_checkpoints(path: Path, key: Ed25519PublicKey) -> tuple[list[Checkpoint], dict[int, str]]:
    if not path.exists():
        return [], {}
    found: list[Checkpoint] = []
    digests: dict[int, str] = {}
    for line in _lines(path):
        item, previous = _parse_line(line, path), found[-1] if found else None
        try:
            key.verify(bytes.fromhex(item.signature), item.content())
        except (InvalidSignature, ValueError) as error:
            msg = f"Checkpoint {item.number} is not signed with this key, or was altered."
            raise CheckpointError(msg) from error
        if item.number != (previous.number + 1 if previous else 1):
            msg = f"Checkpoints before {item.number} are missing."
            raise CheckpointError(msg)
        if item.previous != (previous.signature if previous else ""):
            msg = f"Checkpoint {item.number} does not follow the previous one."
            raise CheckpointError(msg)
        found.append(item)
        digests[item.number] = _sha256(item.line())
    return found, digests


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        yield from file


def _recorded_checkpoint_errors(
    cursor: Any, checkpoints: list[Checkpoint], digests: dict[int, str], path: Path
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
    if digests[number] != digest:
        return [f"Checkpoint {number} differs from the one in the audit log."]
    return []


def _chain_errors(cursor: Any, checkpoints: list[Checkpoint]) -> list[str]:
    # A set, because most heads are unchanged from one checkpoint to the next.
    heads = {
        (chain, seq, digest) for item in checkpoints for chain, (seq, digest) in item.heads.items()
    }
    cursor.execute(
        "SELECT chain, seq, fault FROM audit_compare(%s::uuid[], %s, %s)",
        [
            [chain for chain, _, _ in heads],
            [seq for _, seq, _ in heads],
            [bytes.fromhex(digest) for _, _, digest in heads],
        ],
    )
    return [
        f"{_chain_owner(chain)}: number {seq}: {error}" for chain, seq, error in cursor.fetchall()
    ]


def _gap_errors(cursor: Any, checkpoints: list[Checkpoint]) -> list[str]:
    """Return gaps whose rows were too young for the clean-up.

    The clean-up removes only rows older than a year. A row that a checkpoint does not include is
    younger than that checkpoint.
    """
    cursor.execute("SELECT chain, first_seq, last_seq FROM audit_chain_gaps()")
    newest_removable = timezone.now() - _RETENTION + _TOLERANCE
    errors = []
    for chain, first, last in cursor.fetchall():
        earlier = [c for c in checkpoints if c.heads.get(str(chain), (0, ""))[0] < last]
        if earlier and earlier[-1].time > newest_removable:
            errors.append(
                f"{_chain_owner(chain)}: numbers {first} to {last} are missing, though less than a"
                " year old"
            )
    return errors


def _chain_owner(chain: UUID | str) -> str:
    return "the platform" if UUID(str(chain)).int == 0 else str(chain)
