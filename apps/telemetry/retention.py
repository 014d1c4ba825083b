"""How long telemetry and status history are kept, on either edition of TimescaleDB."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connection


@dataclass(frozen=True)
class DueChunk:
    """A chunk that is older than its hypertable is kept; `until` is the end of its range."""

    hypertable: str
    chunk: str
    until: datetime


@dataclass(frozen=True)
class RetentionResult:
    """What was done for a hypertable: `policy` (native, drops by itself) or `drop_chunks`."""

    hypertable: str
    method: str
    dropped: int


def timescaledb_edition() -> str:
    """Return `timescale` (Community), `apache`, or `none` where the extension is not loaded."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT timescaledb_edition()")
        return str(cursor.fetchone()[0])


def retention_due() -> list[DueChunk]:
    """Return the chunks that retention would drop now, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT hypertable, chunk, until FROM retention_due()")
        return [DueChunk(*row) for row in cursor.fetchall()]


def retention_apply() -> list[RetentionResult]:
    """Make sure of the native policy where the edition has one; elsewhere drop what is due."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT hypertable, method, dropped FROM retention_apply()")
        return [RetentionResult(*row) for row in cursor.fetchall()]
