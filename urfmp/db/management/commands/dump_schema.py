from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DEFAULT_DB_ALIAS, connections

from urfmp.db.schema_dump import schema_text


class Command(BaseCommand):
    """Print the migrated schema as SQL, or write it to a file."""

    help = (
        "Print the schema of the migrated database as SQL. `make schema` updates docs/schema.sql."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--output", type=Path, metavar="FILE", help="File to write instead.")
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS, choices=tuple(connections))

    def handle(self, *, output: Path | None, database: str, **options: Any) -> None:
        with connections[database].cursor() as cursor:
            text = schema_text(cursor)
        if output is None:
            self.stdout.write(text, ending="")
        else:
            output.write_text(text, encoding="utf-8")
            self.stdout.write(f"Wrote {output}.")
