"""Drop chunks and purge rows that retention no longer keeps."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from django.db import OperationalError, connection

from apps.telemetry.selectors.retention import RETENTION_KINDS, expired_robots
from apps.telemetry.services.rollups import rollups_lock
from urfmp.common.tenancy.context import tenant_transaction

logger = logging.getLogger(__name__)

# Short transactions: locks are held briefly, and a rollback loses little.
_MAX_ROWS_PER_TRANSACTION = 10_000
# How long a purge works for one organization.
_TIME_SLICE_SECONDS = 600.0

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
class RetentionResult:
    """What `retention_apply()` did for a hypertable.

    `method` is `policy` (the native policy drops chunks), `drop_chunks`, or `busy`: the chunks are
    being read, so the next run, an hour later, tries again.
    """

    hypertable: str
    method: str
    dropped: int


def retention_apply() -> list[RetentionResult]:
    """Ensure the native policy if the edition has one; drop due chunks.

    Chunks that no organization keeps any longer are dropped by this function on both editions.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT hypertable, method, dropped FROM retention_apply()")
        return [RetentionResult(*row) for row in cursor.fetchall()]


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
            robots = list(expired_robots(kind, organization_id))
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
