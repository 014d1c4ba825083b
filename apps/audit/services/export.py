"""The record out as a file, with what is needed to check its chain far from the database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC
from typing import Any
from uuid import UUID, uuid4

from django.db import connection
from django.db.models import Count, Func, Max, QuerySet, TextField
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast
from django.http import StreamingHttpResponse
from django.utils import timezone

from apps.audit.selectors.canonical import FORMULA_STARTS, HASHED, JSON_COLUMNS
from apps.audit.services.audit_logs import audit_record
from urfmp.common.export_slots import TooManyExportsError, takes_place
from urfmp.common.tenancy.context import Actor, current_actor, tenant_transaction

CONTENT_TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl; charset=utf-8"}
COLUMNS = (*HASHED, "previous_hash", "hash", "user_email", "api_key_name")
_KIND = "audit.export"
_BATCH = 1_000
# A reader that stands still for so long keeps no transaction open.
_MAX_STALL = "5min"
_PREVIOUS = """
    CASE WHEN lag(audit_logs.seq) OVER (ORDER BY audit_logs.seq) = audit_logs.seq - 1
         THEN lag(audit_logs.hash) OVER (ORDER BY audit_logs.seq)
         ELSE audit_hash_before(audit_logs.seq) END
"""
_SQL = {
    **{name: Cast(name, TextField()) for name in JSON_COLUMNS},
    "ip_address": Func("ip_address", function="host", output_field=TextField()),
    "previous_hash": RawSQL(_PREVIOUS, ()),  # noqa: S611 - a constant
}


def audit_export(
    entries: QuerySet[Any], *, organization_id: UUID, kind: str, filters: dict[str, Any]
) -> StreamingHttpResponse:
    """Record an export and return it; its rows are read while it is sent.

    That it was begun is recorded, with filters and number of rows, in the open transaction, which
    commits before the first byte leaves. Its end is a further record, of success or of how far it
    came; an export without one did not end.

    Args:
        entries: Rows of the record that the caller may export, filtered.
        organization_id: Whose they are.
        kind: `csv` or `jsonl`.
        filters: What was asked for, as it was asked for.

    Raises:
        TooManyExportsError: Others of the organization, or of the platform, are running.
    """
    if not takes_place(_KIND, organization_id):
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
    # What is written from here on is not part of it, so that the number of rows is right.
    rows = entries.filter(seq__lte=found["through"] or 0).order_by("seq")
    response = StreamingHttpResponse(
        _stream(rows, organization_id, current_actor(), export_id, kind),
        content_type=CONTENT_TYPES[kind],
    )
    name = f"audit_{timezone.now():%Y%m%dT%H%M%SZ}.{kind}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _stream(
    rows: QuerySet[Any], organization_id: UUID, actor: Actor, export_id: UUID, kind: str
) -> Iterator[bytes]:
    sent, fault = 0, "It was broken off."
    try:
        with tenant_transaction(organization_id, actor):
            if not takes_place(_KIND, organization_id):
                fault = "Others took its place."
                raise TooManyExportsError
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT set_config('idle_in_transaction_session_timeout', %s, true)",
                    [_MAX_STALL],
                )
            if kind == "csv":
                yield (",".join(COLUMNS) + "\r\n").encode()
            for lines in _batches(rows, kind):
                yield "".join(lines).encode()
                sent += len(lines)
        fault = ""
    finally:
        with tenant_transaction(organization_id, actor):
            audit_record(
                action="audit.record.export_end",
                resource_type="export",
                resource_id=export_id,
                success=not fault,
                error_message=fault or None,
                response_data={"rows": sent},
            )


def _batches(rows: QuerySet[Any], kind: str) -> Iterator[list[str]]:
    """Yield lines, a thousand at a time, read through a cursor in the database."""
    fields = {f"x_{name}": expression for name, expression in _SQL.items()}
    names = [f"x_{name}" if name in _SQL else name for name in COLUMNS]
    renamed = {"user_email": "user__email", "api_key_name": "api_key__name"}
    values = rows.annotate(**fields).values_list(*(renamed.get(name, name) for name in names))
    write = _csv_line if kind == "csv" else _json_line
    lines: list[str] = []
    for row in values.iterator(chunk_size=_BATCH):
        lines.append(write(dict(zip(COLUMNS, row, strict=True))))
        if len(lines) == _BATCH:
            yield lines
            lines = []
    if lines:
        yield lines


def _text(name: str, value: Any) -> str | None:
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
    return ",".join(_csv_cell(_text(name, value)) for name, value in row.items()) + "\r\n"


def _csv_cell(text: str | None) -> str:
    if text is None:
        return ""
    start = "'" if text.startswith(FORMULA_STARTS) else ""
    return '"' + start + text.replace('"', '""') + '"'


def _json_line(row: dict[str, Any]) -> str:
    parts = (f'"{name}": {_json_value(name, value)}' for name, value in row.items())
    return "{" + ", ".join(parts) + "}\n"


def _json_value(name: str, value: Any) -> str:
    """Return JSON; what is JSON already stays as the database wrote it, numbers included."""
    if value is None:
        return "null"
    if name in JSON_COLUMNS or name in {"seq", "success"}:
        return str(_text(name, value))
    return json.dumps(_text(name, value), ensure_ascii=False)
