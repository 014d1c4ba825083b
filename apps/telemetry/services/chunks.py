"""Chunks of the hypertables: created ahead, sized by load, compressed."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import timedelta

from django.db import OperationalError, connection, transaction

logger = logging.getLogger(__name__)

# Allowed chunk lengths; each divides a day or is a multiple of one.
CHUNK_LENGTHS = tuple(timedelta(hours=hours) for hours in (1, 2, 3, 4, 6, 8, 12, 24, 48, 96, 168))
# Fraction of the memory that the indexes of the current chunk may occupy. Source:
# TimescaleDB's documentation, "Hypertables: best practices for time partitioning": the indexes of
# the chunks that are written to at one time should fit within a quarter of the main memory.
MAX_INDEX_MEMORY_FRACTION = 0.25
# A longer chunk must fit with this margin, so that a rate near the limit does not flap.
_MIN_GROWTH_FACTOR = 1.5
_MAX_CHUNKS_PER_RUN = 100


@dataclass(frozen=True)
class ChunkMeasure:
    """The measurements that determine the chunk length of telemetry.

    Attributes:
        length: Current chunk length.
        index_bytes_per_second: Index bytes per second of the last week's busiest chunk; None if
            nothing was stored.
        memory_bytes: Memory that the server assumes for caching, `effective_cache_size`.
    """

    length: timedelta
    index_bytes_per_second: float | None
    memory_bytes: int


def chunks_make_ahead() -> list[str]:
    """Create the chunks needed soon; return the table of each.

    Each chunk is created in a transaction of its own. After a lock timeout the rest is left to
    the next run.
    """
    created: list[str] = []
    try:
        while len(created) < _MAX_CHUNKS_PER_RUN:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT chunk_make_next()")
                (table,) = cursor.fetchone()
            if table is None:
                break
            created.append(table)
    except OperationalError as error:
        logger.warning("Creating a chunk is postponed: %s", error)
    return created


def chunk_measure() -> ChunkMeasure:
    """Return the measurements for the chunk length; reads sizes, not rows."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM chunk_measure()")
        return ChunkMeasure(*cursor.fetchone())


def chunk_length_for(measure: ChunkMeasure) -> timedelta:
    """Return the best chunk length.

    The longest of `CHUNK_LENGTHS` with `length * index_bytes_per_second <=
    MAX_INDEX_MEMORY_FRACTION * memory_bytes`. Without points the length stays.
    """
    if not measure.index_bytes_per_second:
        return measure.length
    ideal = MAX_INDEX_MEMORY_FRACTION * measure.memory_bytes / measure.index_bytes_per_second
    fitting = [length for length in CHUNK_LENGTHS if length.total_seconds() <= ideal]
    best = fitting[-1] if fitting else CHUNK_LENGTHS[0]
    if best <= measure.length:
        return best
    with_margin = [
        length for length in fitting if length.total_seconds() * _MIN_GROWTH_FACTOR <= ideal
    ]
    return max([*with_margin, measure.length])


def chunk_length_adapt() -> ChunkMeasure | None:
    """Adapt the length of new chunks.

    Returns the measurements, or None if the length stays.

    Effects: audit action `telemetry.chunk_interval.set` of the platform.
    """
    measure = chunk_measure()
    length = chunk_length_for(measure)
    if length == measure.length:
        return None
    reason = {
        "before_seconds": int(measure.length.total_seconds()),
        "index_bytes_a_second": round(measure.index_bytes_per_second or 0),
        "memory_bytes": measure.memory_bytes,
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT chunk_interval_set(make_interval(secs => %s), %s::jsonb)",
            [length.total_seconds(), json.dumps(reason)],
        )
    return measure


def compression_apply() -> str:
    """Ensure compression of old chunks.

    Returns `policy`, or `none` on the Apache edition, which cannot compress. Chunks are compressed
    30 days after their end, when late points have arrived.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT compression_apply()")
        return str(cursor.fetchone()[0])
