"""Retention of telemetry and status history, on both editions of TimescaleDB."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import OperationalError, connection
from django.utils import timezone

from apps.organizations.models import Organization
from apps.organizations.models.settings import MAX_TELEMETRY_RETENTION_DAYS
from apps.telemetry.services.rollups import rollups_lock
from urfmp.common.tenancy.context import tenant_transaction

logger = logging.getLogger(__name__)

RETENTION_KINDS = ("telemetry", "status_history")
_TABLES = {"telemetry": "robot_telemetry", "status_history": "robot_status_history"}
# Short transactions: locks are held briefly, and a rollback loses little.
_MAX_ROWS_PER_TRANSACTION = 10_000
# How long a purge works for one organization.
_TIME_SLICE_SECONDS = 600.0
# A changed setting reaches ingest within this time.
_CACHE_TTL_SECONDS = 10.0

# Robots with rows that their organization no longer keeps. Of status history, the row in effect at
# the limit is kept, so one older row does not count.
_EXPIRED_ROBOTS = """
    SELECT r.id, old.time FROM organizations o
    JOIN robots r ON r.organization_id = o.id
    CROSS JOIN LATERAL (
        SELECT time FROM {table} t
        WHERE t.robot_id = r.id AND t.time < retention_since(%s, o.settings)
        ORDER BY time OFFSET {kept} LIMIT 1
    ) AS old
    WHERE o.id = %s
    ORDER BY r.id
"""
_EXPIRED_ROLLUPS = """
    SELECT DISTINCT l.robot_id FROM organizations o
    JOIN telemetry_latest l ON l.organization_id = o.id
    LEFT JOIN LATERAL (
        SELECT true AS found FROM telemetry_days d
        WHERE d.robot_id = l.robot_id AND d.metric_name = l.metric_name
          AND d.bucket < retention_since('telemetry', o.settings)
        LIMIT 1
    ) AS old ON true
    WHERE o.id = %s AND (old.found OR l.time < retention_since('telemetry', o.settings))
"""


@dataclass(frozen=True)
class DueChunk:
    """A chunk beyond its hypertable's retention; its range ends at `until`."""

    hypertable: str
    chunk: str
    until: datetime


@dataclass(frozen=True)
class RetentionResult:
    """What `retention_apply()` did for a hypertable.

    `method` is `policy` (the native policy drops chunks), `drop_chunks`, or `busy`: the chunks are
    being read, so the next run, an hour later, tries again.
    """

    hypertable: str
    method: str
    dropped: int


@dataclass(frozen=True)
class OrganizationRetention:
    """An organization's retention of one kind of rows, and what is due.

    Attributes:
        kind: One of `RETENTION_KINDS`.
        days: Days that rows are kept.
        since: Oldest time that is kept; older rows are deleted at the job's next run.
        robots: Number of robots with expired rows.
        oldest: Time of the oldest expired row, if any.
        scheduled_days: Shorter retention in days that takes effect at `scheduled_at`, if any.
    """

    kind: str
    days: int
    since: datetime
    robots: int
    oldest: datetime | None
    scheduled_days: int | None = None
    scheduled_at: datetime | None = None


def timescaledb_edition() -> str:
    """Return `timescale` (Community), `apache`, or `none` without the extension."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT timescaledb_edition()")
        return str(cursor.fetchone()[0])


def retention_due() -> list[DueChunk]:
    """Return the chunks that retention would drop now, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT hypertable, chunk, until FROM retention_due()")
        return [DueChunk(*row) for row in cursor.fetchall()]


def retention_methods() -> list[tuple[str, str, datetime]]:
    """Return each hypertable's retention method, as `retention_apply()` chooses it.

    Each item has the hypertable, `policy` or `drop_chunks`, and the time before which chunks are
    dropped.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT hypertable, method, dropped_before FROM retention_methods()")
        return list(cursor.fetchall())


def retention_apply() -> list[RetentionResult]:
    """Ensure the native policy if the edition has one; drop due chunks.

    Chunks that no organization keeps any longer are dropped by this function on both editions.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT hypertable, method, dropped FROM retention_apply()")
        return [RetentionResult(*row) for row in cursor.fetchall()]


def _since(days: int, now: datetime) -> datetime:
    """Return the midnight (UTC) at which retention starts, as in `retention_since()`."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days)


class _RetentionCache:
    """Caches retention days by organization: every batch needs them."""

    def __init__(self) -> None:
        self._days: dict[UUID, tuple[float, int]] = {}

    def days(self, organization_id: UUID) -> int:
        expires_at, days = self._days.get(organization_id, (0.0, 0))
        now = time.monotonic()
        if expires_at < now:
            with tenant_transaction(organization_id):
                row = Organization.objects.unscoped(reason="its own limit").filter(
                    pk=organization_id
                )
                organization = row.only("settings").first()
            days = (
                organization.effective_settings.telemetry_retention_days
                if organization
                else MAX_TELEMETRY_RETENTION_DAYS
            )
            self._days[organization_id] = (now + _CACHE_TTL_SECONDS, days)
        return days

    def invalidate(self) -> None:
        """Clear the cache."""
        self._days.clear()


_retention_cache = _RetentionCache()
invalidate_retention_cache = _retention_cache.invalidate


def telemetry_kept_since(organization_id: UUID, now: datetime) -> datetime:
    """Return the oldest time whose points an organization keeps.

    Older points are rejected. The setting is cached for some seconds in each process; on a cache
    miss this opens a tenant transaction.
    """
    days = _retention_cache.days(organization_id)
    return max(_since(days, now), now - timedelta(days=MAX_TELEMETRY_RETENTION_DAYS))


def get_organization_retention(organization: Organization) -> Iterator[OrganizationRetention]:
    """Yield an organization's retention and what is due; inside its transaction."""
    settings = organization.effective_settings
    for kind in RETENTION_KINDS:
        days = getattr(settings, f"{kind}_retention_days")
        expired = _expired_robots(kind, organization.pk)
        oldest = min(expired.values(), default=None)
        yield OrganizationRetention(
            kind,
            days,
            _since(days, timezone.now()),
            len(expired),
            oldest,
            scheduled_days=organization.scheduled_retention.get(f"{kind}_retention_days"),
            scheduled_at=organization.scheduled_settings_at,
        )


def _expired_robots(kind: str, organization_id: UUID) -> dict[UUID, datetime]:
    """Return the robots with expired rows, and their oldest time."""
    kept = 1 if kind == "status_history" else 0
    with connection.cursor() as cursor:
        sql = _EXPIRED_ROBOTS.format(table=_TABLES[kind], kept=kept)
        cursor.execute(sql, [kind, organization_id])
        return dict(cursor.fetchall())


def purge_expired(organization_id: UUID, *, seconds: float = _TIME_SLICE_SECONDS) -> dict[str, int]:
    """Delete an organization's expired rows; return their number by kind.

    Telemetry includes its rollups. Rows are deleted robot by robot, in short transactions. Any
    number of workers may run at the same time, concurrently with ingest. Rows that are left after
    `seconds`, or because of a lock timeout, are deleted in the next run.
    """
    deadline = time.monotonic() + seconds
    deleted = {}
    for kind in RETENTION_KINDS:
        with tenant_transaction(organization_id):
            robots = list(_expired_robots(kind, organization_id))
        deleted[kind] = _purge_robots(
            organization_id, robots, deadline, partial(_delete_points, kind, organization_id)
        )
    with tenant_transaction(organization_id), connection.cursor() as cursor:
        cursor.execute(_EXPIRED_ROLLUPS, [organization_id])
        robots = [robot_id for (robot_id,) in cursor.fetchall()]
    deleted["telemetry"] += _purge_robots(
        organization_id, robots, deadline, partial(_delete_rollups, organization_id)
    )
    return deleted


def _purge_robots(
    organization_id: UUID, robots: list[UUID], deadline: float, delete: Callable[[UUID], int]
) -> int:
    total = 0
    for robot_id in robots:
        count = 1
        while count and time.monotonic() < deadline:
            try:
                with tenant_transaction(organization_id):
                    count = delete(robot_id)
            except OperationalError as error:
                logger.warning("Retention of robot %s is postponed: %s", robot_id, error)
                count = 0
            total += count
    return total


def _delete_points(kind: str, organization_id: UUID, robot_id: UUID) -> int:
    if kind == "telemetry":
        # A worker that has rolled points up still needs them to find the latest value: rollups of a
        # series without a latest value would never be purged.
        rollups_lock(organization_id, wait=True)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT retention_forget(%s, %s, %s)", [kind, robot_id, _MAX_ROWS_PER_TRANSACTION]
        )
        return int(cursor.fetchone()[0])


def _delete_rollups(organization_id: UUID, robot_id: UUID) -> int:
    rollups_lock(organization_id, wait=True)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT retention_forget_rollups(%s, %s)", [robot_id, _MAX_ROWS_PER_TRANSACTION]
        )
        return int(cursor.fetchone()[0])
