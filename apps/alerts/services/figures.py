"""Export the figures of alerts; the export is audited."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import Any

from apps.alerts.selectors.figures import MAX_EXPORTED_ROWS, AlertFigures, alert_figures
from apps.audit.services.audit_logs import audit_record
from apps.robots.protocols.fleet_files.writers import csv_cell

_DURATIONS = ("acknowledge_median", "acknowledge_p90", "resolve_median", "resolve_p90")


def alert_figures_export(
    principal: Any, *, by: str, start: datetime, end: datetime, facility: str
) -> str:
    """Return the figures as CSV, durations in seconds, and audit the export.

    Args:
        principal: User or API key.
        by: One of `FiguresBy`.
        start: Start of the period.
        end: End of the period.
        facility: Only robots of this facility; empty for all.
    """
    rows = alert_figures(
        principal, by=by, start=start, end=end, facility=facility, limit=MAX_EXPORTED_ROWS
    )
    audit_record(
        action="alerts.alert.export_figures",
        resource_type="export",
        request_data={
            "by": by, "start": start.isoformat(), "end": end.isoformat(), "facility": facility,
            "rows": len(rows),
        },
    )  # fmt: skip
    return _csv(rows)


def _csv(rows: Sequence[AlertFigures]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    names = [field.name for field in fields(AlertFigures)]
    writer.writerow([f"{name}_seconds" if name in _DURATIONS else name for name in names])
    for row in rows:
        values = asdict(row)
        writer.writerow([csv_cell(_seconds(values[name])) for name in names])
    return text.getvalue()


def _seconds(value: Any) -> Any:
    return round(value.total_seconds(), 3) if isinstance(value, timedelta) else value
