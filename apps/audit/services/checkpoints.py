"""Signed checkpoints of the record's chains, in a file outside of the database.

Whoever rules the database can rewrite a chain together with its head, or cut off its end, and have
it all fit again. A checkpoint says what the heads were, is signed with a key that the database
does not know, and names the one before it: copied away, it cannot be taken back.
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


def audit_checkpoint_order() -> None:
    """Have a worker sign where the chains stand now, rather than within a quarter of an hour.

    Call it after the commit: a checkpoint that waits already will then see what was committed.
    """
    # Whatever stands in the way, the next quarter of an hour comes.
    with suppress(AlreadyEnqueued, ConnectorException, DatabaseError), transaction.atomic():
        app.configure_task("audit.checkpoint", queueing_lock="audit.checkpoint").defer(
            timestamp=int(time.time())
        )


logger = logging.getLogger(__name__)

FILE_NAME = "audit-checkpoints.jsonl"
# One after the other, whichever worker it is; also over several machines with one folder.
_LOCK = 5_411_300_417
_KEPT = timedelta(days=365)
# A row counts from the beginning of its transaction, a checkpoint from its writing.
_TOLERANCE = timedelta(days=1)


@dataclass(frozen=True)
class Checkpoint:
    """One line of the file.

    Attributes:
        number: From 1 on without a gap.
        time: When it was written, aware.
        heads: Number and hash of the newest row of each chain.
        previous: The signature of the line before, empty for the first.
        signature: Over all of this, in hexadecimal.
    """

    number: int
    time: datetime
    heads: dict[str, tuple[int, str]]
    previous: str
    signature: str = ""

    def content(self) -> bytes:
        """Return what is signed."""
        values = {
            "number": self.number,
            "time": self.time.isoformat(),
            "heads": {chain: list(head) for chain, head in sorted(self.heads.items())},
            "previous": self.previous,
        }
        return json.dumps(values, sort_keys=True, separators=(",", ":")).encode()

    def line(self) -> str:
        """Return the line that is written."""
        return f'{self.content().decode()[:-1]},"signature":"{self.signature}"}}\n'


def signing_key() -> Ed25519PrivateKey:
    """Return the key of the settings.

    Raises:
        ImproperlyConfigured: It is not 32 bytes in hexadecimal.
    """
    try:
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(settings.AUDIT_CHECKPOINT_KEY))
    except ValueError as error:
        msg = "AUDIT_CHECKPOINT_KEY is not 32 bytes in hexadecimal; see .env.example."
        raise ImproperlyConfigured(msg) from error


def public_key() -> str:
    """Return what checks the signatures, in hexadecimal; it is no secret."""
    return signing_key().public_key().public_bytes_raw().hex()


def audit_checkpoint(folder: Path, *, now: datetime | None = None) -> Checkpoint:
    """Append a checkpoint of all chains to the file in a folder, and record that it was written.

    It is on the disk before the record tells of it, so that the file is never behind the record.
    A line that a crash has left unfinished is taken away: nobody was told of it.

    Args:
        folder: Made if it does not exist.
        now: For tests.

    Raises:
        CheckpointError: The file's last line cannot be read.
        OSError: The file cannot be written.
    """
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    key = signing_key()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        last = _last(folder / FILE_NAME)
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
        _append(folder / FILE_NAME, checkpoint.line())
        audit_record(
            action="audit.record.checkpoint",
            resource_type="checkpoint",
            request_data={"number": checkpoint.number, "sha256": _digest(checkpoint.line())},
        )
    logger.info("Audit checkpoint: %s", checkpoint.line().rstrip())
    return checkpoint


class CheckpointError(Exception):
    """The file of checkpoints is not what was written."""


def _digest(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()


def _append(path: Path, line: str) -> None:
    """Write a line, and wait until the disk has it, and the folder the file's name."""
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


def _last(path: Path) -> Checkpoint | None:
    """Return the last whole line, having cut off an unfinished one."""
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
    return _parse(whole.rpartition(b"\n")[2].decode(), path)


def _parse(line: str, path: Path) -> Checkpoint:
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
        msg = f"{path} has a line that cannot be read."
        raise CheckpointError(msg) from error


def checkpoints_verify(folder: Path, public: str) -> list[str]:
    """Check the file, and the chains against it; return what is wrong, worst first.

    Needs no tenant transaction. One pass over the file, one query for the newest checkpoint that
    names each number of a chain, and one for the gaps.

    Args:
        folder: Where the file is.
        public: The public key in hexadecimal.
    """
    path = folder / FILE_NAME
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
    try:
        checkpoints, digest = _read(path, key)
    except CheckpointError as error:
        return [str(error)]
    with connection.cursor() as cursor:
        faults = _told_faults(cursor, checkpoints, digest, path)
        faults += _chain_faults(cursor, checkpoints)
        return faults + _gap_faults(cursor, checkpoints)


def _read(path: Path, key: Ed25519PublicKey) -> tuple[list[Checkpoint], dict[int, str]]:
    if not path.exists():
        return [], {}
    found: list[Checkpoint] = []
    digests: dict[int, str] = {}
    for line in _lines(path):
        item, before = _parse(line, path), found[-1] if found else None
        try:
            key.verify(bytes.fromhex(item.signature), item.content())
        except (InvalidSignature, ValueError) as error:
            msg = f"Checkpoint {item.number} is not signed with this key: it was altered."
            raise CheckpointError(msg) from error
        if item.number != (before.number + 1 if before else 1):
            msg = f"Checkpoints before {item.number} are missing."
            raise CheckpointError(msg)
        if item.previous != (before.signature if before else ""):
            msg = f"Checkpoint {item.number} does not follow the one before it."
            raise CheckpointError(msg)
        found.append(item)
        digests[item.number] = _digest(item.line())
    return found, digests


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        yield from file


def _told_faults(
    cursor: Any, checkpoints: list[Checkpoint], digests: dict[int, str], path: Path
) -> list[str]:
    try:
        with transaction.atomic():
            cursor.execute("SELECT number, digest FROM audit_checkpoint_told()")
            told = cursor.fetchone()
    except DataError:
        told = (None, None)
    if told is None:
        return []
    number, digest = told
    if number is None or number < 1:
        return ["What the record tells of its newest checkpoint cannot be read: it was altered."]
    if not checkpoints or checkpoints[-1].number < number:
        return [f"{path} lacks checkpoint {number}, of which the record tells."]
    if digests[number] != digest:
        return [f"Checkpoint {number} is another one than the record tells of."]
    return []


def _chain_faults(cursor: Any, checkpoints: list[Checkpoint]) -> list[str]:
    # Each once: most checkpoints tell what the one before told.
    told = {
        (chain, seq, digest) for item in checkpoints for chain, (seq, digest) in item.heads.items()
    }
    cursor.execute(
        "SELECT chain, seq, fault FROM audit_compare(%s::uuid[], %s, %s)",
        [
            [chain for chain, _, _ in told],
            [seq for _, seq, _ in told],
            [bytes.fromhex(digest) for _, _, digest in told],
        ],
    )
    return [f"{_owner(chain)}: number {seq}: {fault}" for chain, seq, fault in cursor.fetchall()]


def _gap_faults(cursor: Any, checkpoints: list[Checkpoint]) -> list[str]:
    """Find gaps that no clean-up made: it removes nothing that is younger than a year.

    A row that a checkpoint does not know yet is younger than that checkpoint.
    """
    cursor.execute("SELECT chain, first_seq, last_seq FROM audit_chain_gaps()")
    young = timezone.now() - _KEPT + _TOLERANCE
    faults = []
    for chain, first, last in cursor.fetchall():
        before = [c for c in checkpoints if c.heads.get(str(chain), (0, ""))[0] < last]
        if before and before[-1].time > young:
            faults.append(
                f"{_owner(chain)}: numbers {first} to {last} are gone, though not a year old"
            )
    return faults


def _owner(chain: UUID | str) -> str:
    return "the platform" if UUID(str(chain)).int == 0 else str(chain)
