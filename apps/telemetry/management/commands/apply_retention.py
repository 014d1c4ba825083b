from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.telemetry.selectors.retention import retention_due, timescaledb_edition
from apps.telemetry.services.retention import retention_apply


class Command(BaseCommand):
    help = "Drop telemetry older than a year and status history older than two years."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="Show the method and the chunks that are due, but drop nothing.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        edition = timescaledb_edition()
        how = "a native policy" if edition == "timescale" else "an hourly job"
        self.stdout.write(f"TimescaleDB edition: {edition}; chunks are dropped by {how}.")
        for due in retention_due():
            self.stdout.write(f"due: {due.hypertable} {due.chunk}, data until {due.until:%Y-%m-%d}")
        if options["dry_run"]:
            return
        for result in retention_apply():
            self.stdout.write(
                f"{result.hypertable}: {result.method}, {result.dropped} chunks dropped"
            )
