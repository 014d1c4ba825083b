"""Series by their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import DataError, connection, transaction
from django.db.models import QuerySet

from apps.telemetry.exceptions import QuerySyntaxError
from apps.telemetry.selectors.prometheus.expressions import NAME_LABEL, Matcher
from urfmp.common.db.subqueries import named_subquery

_ROBOT_COLUMNS = ("id", "name", "serial_number", "vendor", "model", "location")
_ROBOT_LABELS = {
    "robot": "w.name",
    "robot_id": "w.id::text",
    "serial_number": "w.serial_number",
    "vendor": "w.vendor",
    "model": "w.model",
    "facility": "w.location ->> 'facility'",
}
# Names of Prometheus have no dots and begin with no digit. The label `metric` keeps the name, so
# that names which become the same remain different series.
_METRIC_LABELS = {
    NAME_LABEL: "regexp_replace(replace(f.metric_name, '.', '_'), '^([0-9])', '_\\1')",
    "metric": "f.metric_name",
}
# The unit of the newest point.
_SERIES_LABELS = {"unit": "s.unit"}
LABELS = (*_METRIC_LABELS, *_ROBOT_LABELS, *_SERIES_LABELS)
# Robots first, then their metrics, so that conditions on robots limit what is read.
_SERIES = """
    WITH wanted ({columns}) AS MATERIALIZED ({wanted}),
    chosen AS MATERIALIZED (SELECT * FROM wanted w WHERE {robot_conditions}),
    found AS (
        SELECT l.robot_id, l.metric_name, l.unit, l.time FROM telemetry_latest l
        WHERE l.robot_id IN (SELECT id FROM chosen)
        UNION ALL
        SELECT robot.id, metric.name, NULL, b.greatest_time
        FROM telemetry_batches b
        CROSS JOIN unnest(b.robot_ids) AS robot (id)
        CROSS JOIN unnest(b.metric_names) AS metric (name)
        WHERE b.rolled_up_at IS NULL AND robot.id IN (SELECT id FROM chosen)
    ),
    s AS (
        SELECT f.robot_id, f.metric_name, max(f.unit) AS unit, {metric_labels}
        FROM found f
        WHERE {metric_conditions}
        GROUP BY f.robot_id, f.metric_name
        HAVING %(start)s::timestamptz IS NULL OR max(f.time) >= %(start)s
    )
"""
_ROWS = """
    SELECT s.robot_id, s.metric_name, {labels}
    FROM s JOIN chosen w ON w.id = s.robot_id
    WHERE {series_conditions}
    ORDER BY s.robot_id, s.metric_name LIMIT %(limit)s
"""
_VALUES = """
    SELECT DISTINCT {label} COLLATE "C" AS value
    FROM s JOIN chosen w ON w.id = s.robot_id
    WHERE {series_conditions} AND coalesce({label}, '') <> ''
    ORDER BY 1 LIMIT %(limit)s
"""
_OPERATORS = {"=": "=", "!=": "<>", "=~": "~", "!~": "!~"}


@dataclass(frozen=True)
class LabelledSeries:
    """A series and its labels, without those that are empty."""

    robot_id: UUID
    metric_name: str
    labels: dict[str, str]


def find_series(
    robots: QuerySet[Any],
    matchers: Sequence[Matcher],
    *,
    limit: int,
    start: datetime | None = None,
) -> list[LabelledSeries]:
    """Return the series whose labels match, by robot and metric.

    Args:
        robots: Robots that are visible to the user.
        matchers: Conditions that all must hold.
        limit: Maximum number of series.
        start: Leaves out series whose newest point is older.

    Raises:
        QuerySyntaxError: A regular expression is invalid.
    """
    labels = ", ".join(_output(label) for label in LABELS)
    rows = _execute(robots, matchers, _ROWS, {"labels": labels}, limit=limit, start=start)
    return [
        LabelledSeries(
            robot_id,
            metric_name,
            {label: value for label, value in zip(LABELS, values, strict=True) if value},
        )
        for robot_id, metric_name, *values in rows
    ]


def find_label_values(
    robots: QuerySet[Any],
    label: str,
    matchers: Sequence[Matcher],
    *,
    limit: int,
    start: datetime | None = None,
) -> list[str]:
    """Return the distinct values of a label, sorted.

    The arguments are those of `find_series`; a label that no series has is without values.

    Raises:
        QuerySyntaxError: A regular expression is invalid.
    """
    if label not in LABELS:
        return []
    parts = {"label": _output(label)}
    rows = _execute(robots, matchers, _VALUES, parts, limit=limit, start=start)
    return [value for (value,) in rows]


def _output(label: str) -> str:
    """Return the expression of a label in the final SELECT."""
    if label in _METRIC_LABELS:
        return f's."{label}"'
    return _ROBOT_LABELS.get(label) or _SERIES_LABELS[label]


def _execute(
    robots: QuerySet[Any],
    matchers: Sequence[Matcher],
    query: str,
    parts: dict[str, str],
    *,
    limit: int,
    start: datetime | None,
) -> list[Any]:
    wanted, values = named_subquery(robots.order_by().values(*_ROBOT_COLUMNS), "wanted")
    conditions: dict[str, list[str]] = {"robot": [], "metric": [], "series": []}
    for number, matcher in enumerate(matchers):
        place, expression = _expression(matcher.label)
        operator = _OPERATORS[matcher.operator]
        conditions[place].append(f"coalesce({expression}, '') {operator} %(value_{number})s")
        values[f"value_{number}"] = matcher.value
    statement = (_SERIES + query).format(
        wanted=wanted,
        columns=", ".join(_ROBOT_COLUMNS),
        metric_labels=", ".join(f'{text} AS "{name}"' for name, text in _METRIC_LABELS.items()),
        **{
            f"{place}_conditions": " AND ".join(found) or "true"
            for place, found in conditions.items()
        },
        **parts,
    )
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, {**values, "limit": limit, "start": start})
            return list(cursor.fetchall())
    except DataError as error:
        # Its savepoint is rolled back; the only text that PostgreSQL interprets are patterns.
        msg = "A regular expression is invalid."
        raise QuerySyntaxError(msg) from error


def _expression(label: str) -> tuple[str, str]:
    """Return which part of the statement has a label, and its expression."""
    for place, labels in (
        ("robot", _ROBOT_LABELS),
        ("metric", _METRIC_LABELS),
        ("series", _SERIES_LABELS),
    ):
        if label in labels:
            return place, labels[label]
    return "series", "''"
