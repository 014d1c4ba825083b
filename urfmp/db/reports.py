"""Commands that print a query as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DEFAULT_DB_ALIAS, connections

_SQL = Path(__file__).parent / "sql"


class ReportCommand(BaseCommand):
    """Print the rows of a query over the catalog.

    Attributes:
        query: Name of a file in `urfmp/db/sql`, without suffix.
    """

    query: str
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add `--json`, which prints one array of objects, and `--database`."""
        parser.add_argument("--json", action="store_true", help="Print JSON.")
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS, choices=tuple(connections))

    def handle(self, *, database: str, **options: Any) -> None:
        """Run the query and print its rows."""
        names, rows = self._rows(database)
        if options["json"]:
            found = [dict(zip(names, row, strict=True)) for row in rows]
            self.stdout.write(json.dumps(found, indent=2))
        else:
            self.stdout.write(format_table(names, rows))

    def _rows(self, database: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        with connections[database].cursor() as cursor:
            cursor.execute((_SQL / f"{self.query}.sql").read_text(encoding="utf-8"))
            return [column.name for column in cursor.description], cursor.fetchall()


def format_table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return rows as an aligned text table; numbers are right-aligned."""
    numeric = [any(isinstance(row[at], int) for row in rows) for at in range(len(names))]
    table = [list(names), *(["" if value is None else str(value) for value in row] for row in rows)]
    widths = [max(len(line[at]) for line in table) for at in range(len(names))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in table
    )
