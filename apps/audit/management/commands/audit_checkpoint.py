from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from apps.audit.services.checkpoints.file import CheckpointError
from apps.audit.services.checkpoints.writer import (
    checkpoint_key_replace,
    checkpoint_write,
    public_key,
)


class Command(BaseCommand):
    help = "Append a signed checkpoint of the audit log to the file in AUDIT_CHECKPOINT_DIR."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--public-key", action="store_true", help="Print the public key and exit."
        )
        parser.add_argument(
            "--new-key",
            action="store_true",
            help="Accept an AUDIT_CHECKPOINT_KEY that differs from that of earlier checkpoints."
            " Needs MIGRATION_DATABASE_URL.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.AUDIT_CHECKPOINT_DIR:
            msg = "Set AUDIT_CHECKPOINT_DIR and AUDIT_CHECKPOINT_KEY first; see .env.example."
            raise CommandError(msg)
        if options["public_key"]:
            self.stdout.write(public_key())
            return
        if options["new_key"]:
            if "owner" not in connections.settings:
                msg = "Set MIGRATION_DATABASE_URL: only the tables' owner may accept a new key."
                raise CommandError(msg)
            checkpoint_key_replace()
        try:
            checkpoint = checkpoint_write(Path(settings.AUDIT_CHECKPOINT_DIR))
        except (CheckpointError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"Checkpoint {checkpoint.number} of {len(checkpoint.heads)} chains written."
        )
