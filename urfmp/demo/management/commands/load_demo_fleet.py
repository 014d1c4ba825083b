from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from urfmp.demo.credentials import CredentialsFile
from urfmp.demo.load import DemoLoader


class Command(BaseCommand):
    """Load two organizations with robots, users, maintenance, alerts and telemetry.

    A second run changes nothing. If the credentials file is lost, passwords and device keys are
    renewed.
    """

    help = "Load a demo fleet. A second run changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--credentials",
            type=Path,
            required=True,
            metavar="FILE",
            help="file for passwords and device keys, readable only by you",
        )
        parser.add_argument(
            "--days", type=int, default=7, help="days of history to generate (1 to 90)"
        )

    def handle(self, *, credentials: Path, days: int, **options: Any) -> None:
        if not 1 <= days <= 90:
            msg = "--days must be between 1 and 90."
            raise CommandError(msg)
        try:
            loader = DemoLoader(
                CredentialsFile(credentials), now=timezone.now(), days=days, on_progress=self._write
            )
            loader.load()
        except OSError as error:
            msg = f"{credentials} cannot be read or written: {error.strerror}."
            raise CommandError(msg) from error
        except ValidationError as error:
            msg = f"The demo fleet conflicts with existing data: {error}"
            raise CommandError(msg) from error
        self._write(f"Passwords and device keys are in {credentials}.")

    def _write(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
