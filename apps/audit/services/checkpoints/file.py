"""The checkpoint file: its lines, reading and appending them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

FILE_NAME = "audit-checkpoints.jsonl"


class CheckpointError(Exception):
    """The checkpoint file was altered or is incomplete."""


@dataclass(frozen=True)
class OldestRow:
    """The oldest row of a chain that the clean-up has left.

    Attributes:
        seq: Number of the row.
        hash: Hash of the row, in hexadecimal.
        time: Aware time of the row.
    """

    seq: int
    hash: str
    time: datetime


@dataclass(frozen=True)
class Gap:
    """A range of numbers that the clean-up has removed from a chain.

    Attributes:
        first: First number.
        last: Last number.
        hash: Hash of the last row, in hexadecimal.
    """

    first: int
    last: int
    hash: str


@dataclass(frozen=True)
class Checkpoint:
    """One line of the checkpoint file.

    Attributes:
        number: Consecutive number, starting at 1.
        time: Aware time of writing.
        heads: Number and hash of the newest row of each chain.
        previous: Signature of the previous line; empty for the first.
        signature: Signature of the other attributes, in hexadecimal.
        oldest: Oldest row of each chain; None in lines of versions that did not sign it.
        gaps: Gaps of each chain that has any; None likewise.
    """

    number: int
    time: datetime
    heads: dict[str, tuple[int, str]]
    previous: str
    signature: str = ""
    oldest: dict[str, OldestRow] | None = None
    gaps: dict[str, tuple[Gap, ...]] | None = None

    def content(self) -> bytes:
        """Return the bytes that are signed."""
        values: dict[str, Any] = {
            "number": self.number,
            "time": self.time.isoformat(),
            "heads": {chain: list(head) for chain, head in self.heads.items()},
            "previous": self.previous,
        }
        if self.oldest is not None:
            values["oldest"] = {
                chain: [row.seq, row.hash, row.time.isoformat()]
                for chain, row in self.oldest.items()
            }
        if self.gaps is not None:
            values["gaps"] = {
                chain: [[gap.first, gap.last, gap.hash] for gap in gaps]
                for chain, gaps in self.gaps.items()
            }
        return json.dumps(values, sort_keys=True, separators=(",", ":")).encode()

    def signed(self, key: Ed25519PrivateKey) -> Checkpoint:
        """Return the checkpoint with its signature."""
        return replace(self, signature=key.sign(self.content()).hex())

    def line(self) -> str:
        """Return the line of the file, with its newline."""
        return f'{self.content().decode()[:-1]},"signature":"{self.signature}"}}\n'

    def digest(self) -> str:
        """Return the SHA-256 of the line, which the audit log contains."""
        return hashlib.sha256(self.line().encode()).hexdigest()


def append_line(path: Path, line: str) -> None:
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


def read_last_checkpoint(path: Path) -> Checkpoint | None:
    """Return the last complete line, and truncate an incomplete one.

    Raises:
        CheckpointError: The line is invalid.
    """
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


def read_checkpoints(path: Path, key: Ed25519PublicKey) -> list[Checkpoint]:
    """Return all lines, with signatures and order verified.

    Raises:
        CheckpointError: A line is invalid, missing or not signed with the key.
    """
    found: list[Checkpoint] = []
    if not path.exists():
        return found
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
    return found


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        yield from file


def _parse_line(line: str, path: Path) -> Checkpoint:
    try:
        values: dict[str, Any] = json.loads(line)
        oldest, gaps = values.get("oldest"), values.get("gaps")
        return Checkpoint(
            number=int(values["number"]),
            time=datetime.fromisoformat(values["time"]),
            heads={str(UUID(c)): (int(n), str(h)) for c, (n, h) in values["heads"].items()},
            previous=str(values["previous"]),
            signature=str(values["signature"]),
            oldest=None
            if oldest is None
            else {
                str(UUID(c)): OldestRow(int(n), str(h), datetime.fromisoformat(t))
                for c, (n, h, t) in oldest.items()
            },
            gaps=None
            if gaps is None
            else {
                str(UUID(c)): tuple(Gap(int(f), int(n), str(h)) for f, n, h in found)
                for c, found in gaps.items()
            },
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{path} contains an invalid line."
        raise CheckpointError(msg) from error
