from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from urfmp.demo.credentials import CredentialsFile
from urfmp.demo.load import DemoLoader


class Command(BaseCommand):
    """Load two organizations with robots, people, maintenance, alerts and a week of telemetry.

    A second run changes nothing. Where the credentials file is lost, passwords and device keys
    are made anew.
    """

    help = "Load a demo fleet. A second run changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--credentials",
            type=Path,
            required=True,
            metavar="FILE",
            help="where passwords and device keys are kept, readable by you alone",
        )
        parser.add_argument(
            "--days", type=int, default=7, help="how many days of the past to make (1 to 90)"
        )

    def handle(self, *, credentials: Path, days: int, **options: Any) -> None:
        if not 1 <= days <= 90:
            msg = "--days is a number from 1 to 90."
            raise CommandError(msg)
        try:
            loader = DemoLoader(
                CredentialsFile(credentials), now=timezone.now(), days=days, say=self._say
            )
            loader.load()
        except OSError as error:
            msg = f"{credentials} cannot be used: {error.strerror}."
            raise CommandError(msg) from error
        except ValidationError as error:
            msg = f"The demo fleet does not fit what is there already: {error}"
            raise CommandError(msg) from error
        self._say(f"Passwords and device keys are in {credentials}.")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
