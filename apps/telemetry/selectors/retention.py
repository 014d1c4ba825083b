"""Retention of chunks and of organizations, and what is due."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.utils import timezone

from apps.organizations.models import Organization
from apps.telemetry.selectors.retention_limit import retention_since

RETENTION_KINDS = ("telemetry", "status_history")
RETENTION_TABLES = {"telemetry": "robot_telemetry", "status_history": "robot_status_history"}

# Robots with rows that their organization no longer keeps. For status history, keep the row in
# effect at the limit: one older row does not count.
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


@dataclass(frozen=True)
class DueChunk:
    """A chunk beyond its hypertable's retention; its range ends at `until`."""

    hypertable: str
    chunk: str
    until: datetime


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


def get_organization_retention(organization: Organization) -> Iterator[OrganizationRetention]:
    """Yield an organization's retention and what is due; inside its transaction."""
    settings = organization.effective_settings
    for kind in RETENTION_KINDS:
        days = getattr(settings, f"{kind}_retention_days")
        expired = expired_robots(kind, organization.pk)
        oldest = min(expired.values(), default=None)
        yield OrganizationRetention(
            kind,
            days,
            retention_since(days, timezone.now()),
            len(expired),
            oldest,
            scheduled_days=organization.scheduled_retention.get(f"{kind}_retention_days"),
            scheduled_at=organization.scheduled_settings_at,
        )


def expired_robots(kind: str, organization_id: UUID) -> dict[UUID, datetime]:
    """Return the robots with expired rows, and their oldest time."""
    kept = 1 if kind == "status_history" else 0
    with connection.cursor() as cursor:
        sql = _EXPIRED_ROBOTS.format(table=RETENTION_TABLES[kind], kept=kept)
        cursor.execute(sql, [kind, organization_id])
        return dict(cursor.fetchall())
