"""Export robots as a file that imports read back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID, uuid4

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from apps.audit.services.audit_logs import audit_record
from apps.robots.models import Robot
from apps.robots.protocols.fleet_files.columns import COLUMNS
from apps.robots.protocols.fleet_files.writers import FORMATS
from apps.robots.selectors.connection import plain_connection
from urfmp.common.export_slots import (
    MAX_EXPORT_STATEMENT_SECONDS,
    TooManyExportsError,
    release_export_slots,
    try_acquire_export_slot,
)
from urfmp.common.tenancy.context import Actor, current_actor, tenant_transaction

_SLOT_KIND = "robots.export"
_BATCH_ROWS = 1_000
# The transaction is aborted if the client reads nothing for this long.
_MAX_IDLE = "5min"


@dataclass(frozen=True)
class RobotExport:
    """A started export.

    Attributes:
        content: The file's bytes; robots are read while it is iterated.
        content_type: Media type of the file.
        file_name: Suggested name, with the UTC time of the export.
    """

    content: Iterator[bytes]
    content_type: str
    file_name: str


def robots_export(
    robots: QuerySet[Any], *, organization_id: UUID, kind: str, filters: dict[str, Any]
) -> RobotExport:
    """Start an export of robots, and audit it.

    The audit row has the filters and the number of robots.

    Secrets of connections are not exported.

    Args:
        robots: Robots that the principal may view, filtered.
        organization_id: Organization that owns them.
        kind: One of `FORMATS`.
        filters: Filters of the request, as they were sent.

    Raises:
        TooManyExportsError: Too many exports of the organization or the platform are running.
    """
    if not try_acquire_export_slot(_SLOT_KIND, organization_id):
        raise TooManyExportsError
    export_id = uuid4()
    audit_record(
        action="robots.robot.export",
        resource_type="export",
        resource_id=export_id,
        request_data={"format": kind, "filters": filters, "rows": robots.order_by().count()},
    )
    return RobotExport(
        content=_stream(robots, organization_id, current_actor(), export_id, kind),
        content_type=FORMATS[kind].content_type,
        file_name=f"robots_{timezone.now():%Y%m%dT%H%M%SZ}.{kind}",
    )


def _stream(
    robots: QuerySet[Any], organization_id: UUID, actor: Actor, export_id: UUID, kind: str
) -> Iterator[bytes]:
    """Yield the parts of the file, in a transaction of their own."""
    sent: list[int] = []
    is_complete = False
    try:
        with tenant_transaction(organization_id, actor):
            # The slot of the request, unless its connection was lost.
            if not try_acquire_export_slot(_SLOT_KIND, organization_id):
                raise TooManyExportsError
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT set_config('idle_in_transaction_session_timeout', %s, true)",
                    [_MAX_IDLE],
                )
            database = cast("Any", connection)
            with database.statement_limit(MAX_EXPORT_STATEMENT_SECONDS):
                yield from FORMATS[kind].write(_records(robots, sent))
        is_complete = True
    finally:
        release_export_slots()
        with tenant_transaction(organization_id, actor):
            audit_record(
                action="robots.robot.export_end",
                resource_type="export",
                resource_id=export_id,
                success=is_complete,
                error_message=None if is_complete else "The export was aborted.",
                response_data={"rows": len(sent)},
            )


def _records(robots: QuerySet[Any], sent: list[int]) -> Iterator[dict[str, Any]]:
    for robot in robots.iterator(chunk_size=_BATCH_ROWS):
        sent.append(1)
        yield robot_record(robot)


def robot_record(robot: Robot) -> dict[str, Any]:
    """Return the values of a robot by column, or None."""
    parts = {
        "id": str(robot.pk),
        "location": robot.location,
        "configuration": robot.configuration,
        "connection_config": plain_connection(robot.connection_config),
    }
    record: dict[str, Any] = {}
    for column in COLUMNS:
        name, *keys = column.path
        value = parts[name] if name in parts else getattr(robot, name)
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        record[column.name] = value
    return record
