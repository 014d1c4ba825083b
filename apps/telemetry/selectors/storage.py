"""Estimate how much is stored, in constant time, without counting rows."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection
from django.utils import timezone

from apps.organizations.models.settings import parse_settings
from urfmp.common.time.local import day_limits

# Series that are sampled for the page of one organization.
_MAX_SAMPLED_SERIES = 500
# Series that are sampled for each organization in the list of all.
_MAX_SAMPLED_SERIES_PER_ORGANIZATION = 50
_MAX_CHUNKS = 40
# Series that are sampled for the days, which are read from hours.
_MAX_SAMPLED_DAY_SERIES = 200
DAYS_SHOWN = 30
# An hour in which a local day begins is read from its minutes.
_DAYS = """
    WITH counted AS MATERIALIZED (
        SELECT count(*)::double precision AS series FROM telemetry_latest l
        WHERE l.organization_id = %(organization)s
    ), sample AS MATERIALIZED (
        SELECT l.robot_id, l.metric_name FROM telemetry_latest l, counted c
        WHERE l.organization_id = %(organization)s AND random() < %(most)s / greatest(c.series, 1)
    ), days AS (
        SELECT %(limits)s::timestamptz[] AS limits
    ), divided AS MATERIALIZED (
        SELECT DISTINCT date_trunc('hour', t.at, 'UTC') AS hour
        FROM unnest(%(limits)s::timestamptz[]) AS t (at)
        WHERE date_trunc('hour', t.at, 'UTC') <> t.at
    ), buckets AS (
        SELECT h.bucket, h.count FROM sample s CROSS JOIN days CROSS JOIN LATERAL (
            SELECT t.bucket, t.count FROM telemetry_hours t
            WHERE t.robot_id = s.robot_id AND t.metric_name = s.metric_name
              AND t.bucket >= days.limits[1]
              AND t.bucket NOT IN (SELECT hour FROM divided)) AS h
        UNION ALL
        SELECT m.bucket, m.count FROM sample s CROSS JOIN divided CROSS JOIN LATERAL (
            SELECT t.bucket, t.count FROM telemetry_minutes t
            WHERE t.robot_id = s.robot_id AND t.metric_name = s.metric_name
              AND t.bucket >= divided.hour
              AND t.bucket < divided.hour + interval '1 hour') AS m
    )
    SELECT width_bucket(b.bucket, days.limits) AS number,
           sum(b.count) * min(c.series) / greatest((SELECT count(*) FROM sample), 1)
    FROM buckets b CROSS JOIN days CROSS JOIN counted c
    WHERE b.bucket >= days.limits[1] AND b.bucket < days.limits[array_upper(days.limits, 1)]
    GROUP BY 1
"""

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
    """The storage of a hypertable.

    Attributes:
        name: Table name.
        rows: Estimated number of rows, from the last ANALYZE of each chunk.
        data_bytes: Size of the rows, including TOAST.
        index_bytes: Size of the indexes.
        total_bytes: Total size, including compressed chunks.
        interval: Length of new chunks.
        chunks: Number of chunks, including those created ahead.
        compressed: Number of compressed chunks.
        oldest_start: Start of the oldest chunk.
        oldest_end: End of the oldest chunk.
        method: How old chunks are dropped: `policy` or `drop_chunks`.
        dropped_before: Chunks that end before this time are dropped.
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
        """Time at which the oldest chunk will be dropped, or None."""
        if self.oldest_end is None:
            return None
        now = datetime.now(self.dropped_before.tzinfo)
        return self.oldest_end + (now - self.dropped_before)


@dataclass(frozen=True)
class ChunkStorage:
    """A chunk of telemetry: its time range and size."""

    start: datetime
    end: datetime
    is_compressed: bool
    total_bytes: int


@dataclass
class OrganizationStorage:
    """The storage of one organization.

    Attributes:
        series: Number of series.
        is_exact: Whether all series were read; otherwise the numbers are scaled up from a sample.
        points: Number of stored points.
        oldest: First day of the sampled series.
        per_second_hour: Points per second during the last hour.
        per_second_day: Points per second during the last day.
        days: Points of each of the last 30 local days that has any.
    """

    series: int = 0
    is_exact: bool = True
    points: int = 0
    oldest: datetime | None = None
    per_second_hour: float = 0.0
    per_second_day: float = 0.0
    days: list[tuple[date, int]] = field(default_factory=list)


@dataclass(frozen=True)
class OrganizationStorageSummary:
    """An organization's storage and retention, in the platform's list."""

    name: str
    slug: str
    numbers: dict[str, float]
    telemetry_days: int
    status_history_days: int


def get_table_storage() -> list[TableStorage]:
    """Return the storage of each hypertable, across organizations: for platform staff only."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        return [TableStorage(*row) for row in cursor.fetchall()]


def get_chunk_storage() -> list[ChunkStorage]:
    """Return the newest chunks of telemetry, oldest first: for platform staff only."""
    with connection.cursor() as cursor:
        cursor.execute(_CHUNKS, [_MAX_CHUNKS])
        return [ChunkStorage(*row) for row in reversed(cursor.fetchall())]


def get_organization_storage(
    organization_id: UUID, zone: tzinfo | None = None
) -> OrganizationStorage:
    """Return the storage of the open transaction's organization.

    Args:
        organization_id: The organization.
        zone: Timezone of its days; by default UTC.
    """
    storage = OrganizationStorage()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT what, at, points FROM storage_numbers(%s, %s)",
            [organization_id, _MAX_SAMPLED_SERIES],
        )
        rows: list[Any] = cursor.fetchall()
    for what, at, points in rows:
        match what:
            case "series":
                storage.series = int(points)
            case "sampled":
                storage.is_exact = points >= storage.series
            case "all":
                storage.points, storage.oldest = round(points), at
            case "hour":
                storage.per_second_hour = points
            case "day":
                storage.per_second_day = points
    storage.days = _get_days(organization_id, zone or ZoneInfo("UTC"))
    return storage


def _get_days(organization_id: UUID, zone: tzinfo) -> list[tuple[date, int]]:
    now = timezone.now()
    limits = day_limits(now - (DAYS_SHOWN - 1) * timedelta(days=1), now, zone)
    with connection.cursor() as cursor:
        cursor.execute(
            _DAYS,
            {"organization": organization_id, "most": _MAX_SAMPLED_DAY_SERIES, "limits": limits},
        )
        rows: list[Any] = cursor.fetchall()
    return sorted(
        (limits[number - 1].astimezone(zone).date(), round(points)) for number, points in rows
    )


def get_organization_storage_summaries() -> list[OrganizationStorageSummary]:
    """Return the storage of each organization; empty unless for the platform organization."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, slug, settings::text, what, points FROM storage_of_organizations(%s)",
            [_MAX_SAMPLED_SERIES_PER_ORGANIZATION],
        )
        rows: list[Any] = cursor.fetchall()
    found: dict[str, OrganizationStorageSummary] = {}
    for name, slug, settings, what, points in rows:
        if slug not in found:
            read = parse_settings(_parse_json(settings))
            found[slug] = OrganizationStorageSummary(
                name, slug, {}, read.telemetry_retention_days, read.status_history_retention_days
            )
        found[slug].numbers[what] = points
    return list(found.values())


def _parse_json(text: str | None) -> Any:
    return json.loads(text) if text else None
