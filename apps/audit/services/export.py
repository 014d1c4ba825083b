"""Export the audit log as an independently verifiable file."""

from __future__ import annotations

import codecs
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID, uuid4

from django.db import Error, connection
from django.db.models import Count, Func, Max, QuerySet, TextField
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast
from django.utils import timezone

from apps.audit.selectors.canonical import FORMULA_PREFIXES, HASHED_COLUMNS, JSON_COLUMNS
from apps.audit.services.audit_logs import audit_record
from urfmp.common.export_slots import (
    MAX_EXPORT_STATEMENT_SECONDS,
    TooManyExportsError,
    release_export_slots,
    try_acquire_export_slot,
)
from urfmp.common.log_filters import single_line
from urfmp.common.tenancy.context import Actor, current_actor, tenant_transaction

if TYPE_CHECKING:
    from urfmp.db.backends.postgresql.base import DatabaseWrapper

logger = logging.getLogger(__name__)

CONTENT_TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl; charset=utf-8"}
COLUMNS = (*HASHED_COLUMNS, "previous_hash", "hash", "user_email", "api_key_name")
_SLOT_KIND = "audit.export"
_BATCH_ROWS = 1_000
# The transaction is aborted if the client reads nothing for this long.
_MAX_IDLE = "5min"
_PREVIOUS_HASH_SQL = """
    CASE WHEN lag(audit_logs.seq) OVER (ORDER BY audit_logs.seq) = audit_logs.seq - 1
         THEN lag(audit_logs.hash) OVER (ORDER BY audit_logs.seq)
         ELSE audit_hash_before(audit_logs.seq) END
"""
_EXPRESSIONS = {
    **{name: Cast(name, TextField()) for name in JSON_COLUMNS},
    "ip_address": Func("ip_address", function="host", output_field=TextField()),
    "previous_hash": RawSQL(_PREVIOUS_HASH_SQL, ()),  # noqa: S611 - a constant
}


@dataclass(frozen=True)
class AuditExport:
    """A started export.

    Attributes:
        content: The file's bytes; rows are read while it is iterated.
        content_type: Media type of the file.
        file_name: Suggested name, with the UTC time of the export.
    """

    content: Iterator[bytes]
    content_type: str
    file_name: str


def audit_export(
    entries: QuerySet[Any],
    *,
    organization_id: UUID,
    kind: str,
    filters: dict[str, Any],
    has_byte_order_mark: bool = False,
) -> AuditExport:
    """Start an export of audit rows and audit its start.

    The start is recorded in the open transaction, with filters and number of rows, and commits
    before the first byte is sent. A second row records the end: success, or the number of rows
    sent. An export without a second row did not end.

    Args:
        entries: Audit rows that the principal may export, filtered.
        organization_id: Organization that owns the rows.
        kind: `csv` or `jsonl`.
        filters: Filters of the request, as they were sent.
        has_byte_order_mark: Whether CSV begins with a byte order mark, for Excel.

    Raises:
        TooManyExportsError: Too many exports of the organization or the platform are running.
    """
    if not try_acquire_export_slot(_SLOT_KIND, organization_id):
        raise TooManyExportsError
    found = entries.order_by().aggregate(rows=Count("pk"), through=Max("seq"))
    export_id = uuid4()
    audit_record(
        action="audit.record.export",
        resource_type="export",
        resource_id=export_id,
        request_data={
            "format": kind,
            "filters": filters,
            "rows": found["rows"],
            "through_seq": found["through"],
        },
    )
    # Later rows are excluded, so that the recorded number of rows is right.
    rows = entries.filter(seq__lte=found["through"] or 0).order_by("seq")
    header = _header(kind, has_byte_order_mark)
    return AuditExport(
        content=_stream(rows, organization_id, current_actor(), export_id, kind, header),
        content_type=CONTENT_TYPES[kind],
        file_name=f"audit_{timezone.now():%Y%m%dT%H%M%SZ}.{kind}",
    )


def _header(kind: str, has_byte_order_mark: bool) -> bytes:
    if kind != "csv":
        return b""
    mark = codecs.BOM_UTF8 if has_byte_order_mark else b""
    return mark + (",".join(COLUMNS) + "\r\n").encode()


def _stream(
    rows: QuerySet[Any],
    organization_id: UUID,
    actor: Actor,
    export_id: UUID,
    kind: str,
    header: bytes,
) -> Iterator[bytes]:
    sent, error = 0, "The export was aborted."
    try:
        with tenant_transaction(organization_id, actor):
            # The slot of the request, unless its connection was lost.
            if not try_acquire_export_slot(_SLOT_KIND, organization_id):
                error = "Another export took its slot."
                raise TooManyExportsError
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT set_config('idle_in_transaction_session_timeout', %s, true)",
                    [_MAX_IDLE],
                )
            with cast("DatabaseWrapper", connection).statement_limit(MAX_EXPORT_STATEMENT_SECONDS):
                for lines in _batches(rows, kind):
                    yield header + "".join(lines).encode()
                    header = b""
                    sent += len(lines)
            if header:
                yield header
        error = ""
    finally:
        release_export_slots()
        _record_end(organization_id, actor, export_id, sent, error)


def _record_end(
    organization_id: UUID, actor: Actor, export_id: UUID, sent: int, error: str
) -> None:
    """Audit the end of an export, unless the database is unavailable."""
    try:
        with tenant_transaction(organization_id, actor):
            audit_record(
                action="audit.record.export_end",
                resource_type="export",
                resource_id=export_id,
                success=not error,
                error_message=error or None,
                response_data={"rows": sent},
            )
    except Error as failure:
        reason = single_line(str(failure))
        logger.warning("The end of export %s could not be audited: %s", export_id, reason)


def _batches(rows: QuerySet[Any], kind: str) -> Iterator[list[str]]:
    """Yield lines in batches, read through a server-side cursor."""
    fields = {f"x_{name}": expression for name, expression in _EXPRESSIONS.items()}
    names = [f"x_{name}" if name in _EXPRESSIONS else name for name in COLUMNS]
    renamed = {"user_email": "user__email", "api_key_name": "api_key__name"}
    values = rows.annotate(**fields).values_list(*(renamed.get(name, name) for name in names))
    format_line = _csv_line if kind == "csv" else _json_line
    lines: list[str] = []
    for row in values.iterator(chunk_size=_BATCH_ROWS):
        lines.append(format_line(dict(zip(COLUMNS, row, strict=True))))
        if len(lines) == _BATCH_ROWS:
            yield lines
            lines = []
    if lines:
        yield lines


def _to_text(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if name == "created_at":
        return str(value.astimezone(UTC).isoformat(timespec="microseconds"))
    return str(value)


def _csv_line(row: dict[str, Any]) -> str:
    return ",".join(_csv_cell(_to_text(name, value)) for name, value in row.items()) + "\r\n"


def _csv_cell(text: str | None) -> str:
    if text is None:
        return ""
    prefix = "'" if text.startswith(FORMULA_PREFIXES) else ""
    return '"' + prefix + text.replace('"', '""') + '"'


def _json_line(row: dict[str, Any]) -> str:
    parts = (f'"{name}": {_json_value(name, value)}' for name, value in row.items())
    return "{" + ", ".join(parts) + "}\n"


def _json_value(name: str, value: Any) -> str:
    """Return a value as JSON; JSON columns keep the database's own text."""
    if value is None:
        return "null"
    if name in JSON_COLUMNS or name in {"seq", "success"}:
        return str(_to_text(name, value))
    return json.dumps(_to_text(name, value), ensure_ascii=False)
