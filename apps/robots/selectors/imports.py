"""Queries of imports of robots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, QuerySet

from apps.robots.choices import RowOutcome
from apps.robots.models import RobotImport, RobotImportRow


@dataclass(frozen=True)
class RowError:
    """An error of a row.

    Attributes:
        line: Line of a spreadsheet, where the header is line 1, or number of a JSON object.
        column: Name of the column; empty for the whole row.
        reason: What is wrong, for the user.
    """

    line: int
    column: str
    reason: str


def import_counts(robot_import: RobotImport) -> dict[str, int]:
    """Count rows by outcome, and those that are done; one query."""
    rows = RobotImportRow.objects.filter(robot_import=robot_import).order_by()
    counts = {**dict.fromkeys(map(str, RowOutcome), 0), "done": 0}
    for outcome, is_done, count in rows.values_list("outcome", "is_done").annotate(Count("pk")):
        if outcome is not None:
            counts[outcome] += count
        counts["done"] += count if is_done else 0
    return counts


def bad_rows(robot_import: RobotImport) -> QuerySet[Any]:
    """Return the bad rows of an import, in their order."""
    rows: QuerySet[Any] = RobotImportRow.objects.filter(
        robot_import=robot_import, outcome=RowOutcome.BAD
    )
    return rows.order_by("line")


def import_errors(robot_import: RobotImport, *, limit: int) -> list[RowError]:
    """Return the first errors of an import; one query."""
    errors = [
        RowError(row.line, column, reason)
        for row in bad_rows(robot_import)[:limit]
        for column, reason in row.errors.items()
    ]
    return errors[:limit]
