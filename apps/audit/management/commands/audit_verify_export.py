from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.audit.selectors.canonical import read_rows, verify_rows


class Command(BaseCommand):
    help = "Verify an exported file of the audit log without a database; exit with 1 on an error."

    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="CSV or JSON lines, as exported.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with options["file"].open(encoding="utf-8-sig", newline="") as file:
                report = verify_rows(read_rows(file))
        except (OSError, ValueError, KeyError, TypeError, csv.Error, RecursionError) as error:
            msg = f"The file cannot be read: {error!r}"
            raise CommandError(msg, returncode=1) from error
        if report.error:
            msg = f"{report.error}. {report.rows} rows before it are intact."
            raise CommandError(msg, returncode=1)
        self.stdout.write(f"{report.rows} rows are intact, up to number {report.last_seq}.")
        if report.missing:
            self.stdout.write(f"{report.missing} numbers between them are not in the file.")
        self.stdout.write(f"The last hash is {report.last_hash or 'none'}.")
