"""How long telemetry and status history are kept, on either edition of TimescaleDB."""

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
from apps.organizations.models.settings import TELEMETRY_RETENTION_DAYS
from apps.telemetry.services.rollups import rollups_lock
from urfmp.common.tenancy.context import tenant_transaction

logger = logging.getLogger(__name__)

KINDS = ("telemetry", "status_history")
_TABLES = {"telemetry": "robot_telemetry", "status_history": "robot_status_history"}
# Rows of a transaction: short locks, and little to undo. An organization has its turn this long.
_BATCH_ROWS, _TURN_SECONDS = 10_000, 600.0
# A change of the setting reaches ingest within this time.
_REMEMBERED_SECONDS = 10.0

# Robots with rows that their organization no longer keeps. Of status history the row in force at
# the limit stays, so that one older row is none too many.
_STALE = """
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
_STALE_ROLLUPS = """
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
    """A chunk that is older than its hypertable is kept; `until` is the end of its range."""

    hypertable: str
    chunk: str
    until: datetime


@dataclass(frozen=True)
class RetentionResult:
    """What was done for a hypertable.

    `method` is `policy` (native, drops by itself), `drop_chunks`, or `busy`: somebody reads what
    would go, so that it is tried again an hour later.
    """

    hypertable: str
    method: str
    dropped: int


@dataclass(frozen=True)
class OwnRetention:
    """What one organization keeps, and what of it is due.

    Attributes:
        kind: One of `KINDS`.
        days: How long it is kept.
        since: The first moment that is kept; what lies before goes at the job's next run.
        robots: How many robots have rows that go.
        oldest: The time of the oldest row that goes, if any does.
    """

    kind: str
    days: int
    since: datetime
    robots: int
    oldest: datetime | None


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


def retention_methods() -> list[tuple[str, str, datetime]]:
    """Return, for each hypertable: its name, `policy` or `drop_chunks`, and before when chunks go.

    As `retention_apply()` decides it.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT hypertable, method, dropped_before FROM retention_methods()")
        return list(cursor.fetchall())


def retention_apply() -> list[RetentionResult]:
    """Make sure of the native policy where the edition has one; elsewhere drop what is due.

    Chunks that no organization wants any longer are dropped by us on both editions.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT hypertable, method, dropped FROM retention_apply()")
        return [RetentionResult(*row) for row in cursor.fetchall()]


def _since(days: int, now: datetime) -> datetime:
    """Return the midnight (UTC) since which something is kept, as `retention_since()` does."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days)


class _Memory:
    """Days by organization, each for some seconds: ingest asks for every batch."""

    def __init__(self) -> None:
        self._days: dict[UUID, tuple[float, int]] = {}

    def days(self, organization_id: UUID) -> int:
        ends, days = self._days.get(organization_id, (0.0, 0))
        now = time.monotonic()
        if ends < now:
            with tenant_transaction(organization_id):
                row = Organization.objects.unscoped(reason="its own limit").filter(
                    pk=organization_id
                )
                organization = row.only("settings").first()
            days = (
                organization.effective_settings.telemetry_retention_days
                if organization
                else TELEMETRY_RETENTION_DAYS
            )
            self._days[organization_id] = (now + _REMEMBERED_SECONDS, days)
        return days

    def forget(self) -> None:
        """Read everything anew."""
        self._days.clear()


_memory = _Memory()
forget_limits = _memory.forget


def telemetry_kept_since(organization_id: UUID, now: datetime) -> datetime:
    """Return the first moment whose points an organization keeps: older ones are too old to store.

    Remembered for some seconds in each process; opens a transaction of the organization now and
    then.
    """
    days = _memory.days(organization_id)
    return max(_since(days, now), now - timedelta(days=TELEMETRY_RETENTION_DAYS))


def retention_of(organization: Organization) -> Iterator[OwnRetention]:
    """Yield what an organization keeps and what is due; inside its transaction."""
    settings = organization.effective_settings
    for kind in KINDS:
        days = getattr(settings, f"{kind}_retention_days")
        stale = _stale(kind, organization.pk)
        oldest = min(stale.values(), default=None)
        yield OwnRetention(kind, days, _since(days, timezone.now()), len(stale), oldest)


def _stale(kind: str, organization_id: UUID) -> dict[UUID, datetime]:
    """Return the robots that have rows of a kind to delete, each with its oldest one's time."""
    kept = 1 if kind == "status_history" else 0
    with connection.cursor() as cursor:
        sql = _STALE.format(table=_TABLES[kind], kept=kept)
        cursor.execute(sql, [kind, organization_id])
        return dict(cursor.fetchall())


def retention_forget(organization_id: UUID, *, seconds: float = _TURN_SECONDS) -> dict[str, int]:
    """Delete what an organization no longer keeps; return how many rows of each kind.

    Telemetry includes what was made from it. Robot by robot, a transaction for each batch. Any
    number of workers may do it at the same time, beside ingest; what is left over after
    `seconds`, or because a lock was not to be had, goes the next time.
    """
    ends = time.monotonic() + seconds
    deleted = {}
    for kind in KINDS:
        with tenant_transaction(organization_id):
            robots = list(_stale(kind, organization_id))
        deleted[kind] = _forget(
            organization_id, robots, ends, partial(_rows, kind, organization_id)
        )
    with tenant_transaction(organization_id), connection.cursor() as cursor:
        cursor.execute(_STALE_ROLLUPS, [organization_id])
        robots = [robot_id for (robot_id,) in cursor.fetchall()]
    deleted["telemetry"] += _forget(
        organization_id, robots, ends, partial(_rollups, organization_id)
    )
    return deleted


def _forget(
    organization_id: UUID, robots: list[UUID], ends: float, delete: Callable[[UUID], int]
) -> int:
    total = 0
    for robot_id in robots:
        count = 1
        while count and time.monotonic() < ends:
            try:
                with tenant_transaction(organization_id):
                    count = delete(robot_id)
            except OperationalError as error:
                logger.warning("Retention of robot %s waits: %s", robot_id, error)
                count = 0
            total += count
    return total


def _rows(kind: str, organization_id: UUID, robot_id: UUID) -> int:
    if kind == "telemetry":
        # A worker that has added points up still has to find them when it looks for the newest:
        # buckets of a series without a newest point are not found by what deletes them.
        rollups_lock(organization_id, wait=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT retention_forget(%s, %s, %s)", [kind, robot_id, _BATCH_ROWS])
        return int(cursor.fetchone()[0])


def _rollups(organization_id: UUID, robot_id: UUID) -> int:
    rollups_lock(organization_id, wait=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT retention_forget_rollups(%s, %s)", [robot_id, _BATCH_ROWS])
        return int(cursor.fetchone()[0])
