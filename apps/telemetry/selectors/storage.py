"""How much is stored: estimates that take the same time at any size, never a count of rows."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from apps.organizations.models.settings import settings_read

# Series that are looked at: for one organization, and for each in a list of them.
_SAMPLE, _SAMPLE_IN_LIST = 500, 50
_CHUNKS_SHOWN = 40

_TABLES = """
    SELECT t.name, approximate_row_count(t.name::regclass),
           s.table_bytes + s.toast_bytes, s.index_bytes, s.total_bytes,
           d.time_interval, c.chunks, c.compressed, c.oldest_start, c.oldest_end,
           r.method, r.dropped_before
    FROM chunk_tables() AS t
    CROSS JOIN LATERAL hypertable_detailed_size(t.name::regclass) AS s
    JOIN timescaledb_information.dimensions d
        ON d.hypertable_schema = 'public' AND d.hypertable_name = t.name
    JOIN retention_methods() AS r ON r.hypertable = t.name
    LEFT JOIN LATERAL (
        SELECT count(*) AS chunks, count(*) FILTER (WHERE c.is_compressed) AS compressed,
               min(c.range_start) AS oldest_start, min(c.range_end) AS oldest_end
        FROM timescaledb_information.chunks c
        WHERE c.hypertable_schema = 'public' AND c.hypertable_name = t.name
    ) AS c ON true
"""
_CHUNKS = """
    SELECT c.range_start, c.range_end, c.is_compressed,
           pg_total_relation_size(format('%%I.%%I', c.chunk_schema, c.chunk_name)::regclass)
    FROM timescaledb_information.chunks c
    WHERE c.hypertable_schema = 'public' AND c.hypertable_name = 'robot_telemetry'
      AND c.range_start <= now()
    ORDER BY c.range_start DESC LIMIT %s
"""


@dataclass(frozen=True)
class TableStorage:
    """What a hypertable takes.

    Attributes:
        name: The table.
        rows: An estimate, from the last analysis of each chunk.
        data_bytes: Rows, long values included.
        index_bytes: Indexes.
        total_bytes: Both, and what is compressed.
        interval: The length of the chunks that are made from now on.
        chunks: How many there are, those made ahead included.
        compressed: How many of them are compressed.
        oldest_start: Where the oldest one begins.
        oldest_end: Where it ends.
        method: `policy` or `drop_chunks`: how old ones go.
        dropped_before: Chunks that end before this go.
    """

    name: str
    rows: int
    data_bytes: int
    index_bytes: int
    total_bytes: int
    interval: timedelta
    chunks: int
    compressed: int
    oldest_start: datetime | None
    oldest_end: datetime | None
    method: str
    dropped_before: datetime

    @property
    def oldest_goes_at(self) -> datetime | None:
        """When the oldest chunk will be old enough to go, as things are now; None without one."""
        if self.oldest_end is None:
            return None
        now = datetime.now(self.dropped_before.tzinfo)
        return self.oldest_end + (now - self.dropped_before)


@dataclass(frozen=True)
class ChunkStorage:
    """One chunk of telemetry: its range, and what it takes."""

    start: datetime
    end: datetime
    is_compressed: bool
    total_bytes: int


@dataclass
class OwnStorage:
    """What one organization has stored.

    Attributes:
        series: Metrics of robots.
        is_exact: Whether all of them were looked at; otherwise numbers are scaled up.
        points: Points that it keeps.
        oldest: The first day, among the series that were looked at.
        per_second_hour: Points a second during the last hour.
        per_second_day: The same during the last day.
        days: Points of each of the last 30 days that has any.
    """

    series: int = 0
    is_exact: bool = True
    points: int = 0
    oldest: datetime | None = None
    per_second_hour: float = 0.0
    per_second_day: float = 0.0
    days: list[tuple[datetime, int]] = field(default_factory=list)


@dataclass(frozen=True)
class OrganizationStorage:
    """A line of the platform's list: an organization, what it stores and how long it keeps it."""

    name: str
    slug: str
    numbers: dict[str, float]
    telemetry_days: int
    status_history_days: int


def storage_of_tables() -> list[TableStorage]:
    """Return what each hypertable takes, of all organizations together: for the platform alone."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        return [TableStorage(*row) for row in cursor.fetchall()]


def storage_of_chunks() -> list[ChunkStorage]:
    """Return telemetry's newest chunks up to now, oldest first: for the platform alone."""
    with connection.cursor() as cursor:
        cursor.execute(_CHUNKS, [_CHUNKS_SHOWN])
        return [ChunkStorage(*row) for row in reversed(cursor.fetchall())]


def storage_of_organization(organization_id: UUID) -> OwnStorage:
    """Return what the organization of the open transaction stores."""
    own = OwnStorage()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT what, at, points FROM storage_numbers(%s, %s)", [organization_id, _SAMPLE]
        )
        rows: list[Any] = cursor.fetchall()
    for what, at, points in rows:
        match what:
            case "series":
                own.series = int(points)
            case "sampled":
                own.is_exact = points >= own.series
            case "all":
                own.points, own.oldest = round(points), at
            case "of_day":
                own.days.append((at, round(points)))
            case "hour":
                own.per_second_hour = points
            case "day":
                own.per_second_day = points
    own.days.sort()
    return own


def storage_of_organizations() -> list[OrganizationStorage]:
    """Return what each organization stores: nothing outside of the platform's own one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, slug, settings::text, what, points FROM storage_of_organizations(%s)",
            [_SAMPLE_IN_LIST],
        )
        rows: list[Any] = cursor.fetchall()
    found: dict[str, OrganizationStorage] = {}
    for name, slug, settings, what, points in rows:
        if slug not in found:
            read = settings_read(_loaded(settings))
            found[slug] = OrganizationStorage(
                name, slug, {}, read.telemetry_retention_days, read.status_history_retention_days
            )
        found[slug].numbers[what] = points
    return list(found.values())


def _loaded(text: str | None) -> Any:
    return json.loads(text) if text else None
