"""The pieces in which TimescaleDB keeps telemetry: made in time, of a good length, compressed."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import timedelta

from django.db import OperationalError, connection, transaction

logger = logging.getLogger(__name__)

# Lengths that a chunk may have, each a part of a day or whole days.
LENGTHS = tuple(timedelta(hours=hours) for hours in (1, 2, 3, 4, 6, 8, 12, 24, 48, 96, 168))
# The part of the memory that the indexes of the chunk that is being written may take. Source:
# TimescaleDB's documentation, "Hypertables: best practices for time partitioning": the indexes of
# the chunks that are written to at one time should fit within a quarter of the main memory.
MEMORY_PART = 0.25
# A longer chunk has to be worth it by this much, so that a rate on the edge changes nothing.
_GROWTH = 1.5
_MOST_AT_ONCE = 100


@dataclass(frozen=True)
class ChunkMeasure:
    """What the length of a chunk of telemetry is decided by.

    Attributes:
        length: What it is now.
        index_bytes_a_second: What a second of the last week's busiest chunk takes for its
            indexes; None when nothing was stored.
        memory_bytes: What the server counts on for caching, `effective_cache_size`.
    """

    length: timedelta
    index_bytes_a_second: float | None
    memory_bytes: int


def chunks_make_ahead() -> list[str]:
    """Make the chunks that will soon be needed; return the tables' names, one for each chunk.

    Each in a transaction of its own. One whose lock is not to be had is made the next time.
    """
    made: list[str] = []
    try:
        while len(made) < _MOST_AT_ONCE:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT chunk_make_next()")
                (table,) = cursor.fetchone()
            if table is None:
                break
            made.append(table)
    except OperationalError as error:
        logger.warning("A chunk is not made yet: %s", error)
    return made


def chunk_measure() -> ChunkMeasure:
    """Measure what the length of a chunk is decided by; looks at sizes alone, not at rows."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM chunk_measure()")
        return ChunkMeasure(*cursor.fetchone())


def chunk_length_for(measure: ChunkMeasure) -> timedelta:
    """Return how long a chunk should be.

    The longest for which `length * index_bytes_a_second <= MEMORY_PART * memory_bytes`, from an
    hour to a week. Without points the length stays.
    """
    if not measure.index_bytes_a_second:
        return measure.length
    ideal = MEMORY_PART * measure.memory_bytes / measure.index_bytes_a_second
    fitting = [length for length in LENGTHS if length.total_seconds() <= ideal]
    best = fitting[-1] if fitting else LENGTHS[0]
    if best <= measure.length:
        return best
    worth_it = [length for length in fitting if length.total_seconds() * _GROWTH <= ideal]
    return max([*worth_it, measure.length])


def chunk_length_adapt() -> ChunkMeasure | None:
    """Choose the length of the chunks to come; return by what, or None when it stays.

    Effects: audit action `telemetry.chunk_interval.set`, a row of the platform.
    """
    measure = chunk_measure()
    length = chunk_length_for(measure)
    if length == measure.length:
        return None
    reason = {
        "before_seconds": int(measure.length.total_seconds()),
        "index_bytes_a_second": round(measure.index_bytes_a_second or 0),
        "memory_bytes": measure.memory_bytes,
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT chunk_interval_set(make_interval(secs => %s), %s::jsonb)",
            [length.total_seconds(), json.dumps(reason)],
        )
    return measure


def compression_apply() -> str:
    """Make sure that old chunks are compressed; return `policy`, or `none` on the Apache edition.

    Chunks are compressed 30 days after their end: what robots send late arrives before.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT compression_apply()")
        return str(cursor.fetchone()[0])
