from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.audit.selectors.chain import audit_verify
from apps.audit.services.checkpoints.verification import checkpoints_verify
from apps.audit.services.checkpoints.writer import public_key


class Command(BaseCommand):
    help = (
        "Verify the chains of the audit log, and compare them with the signed checkpoints if there"
        " are any. Prints the first invalid row of each chain and exits with 1."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--checkpoints",
            type=Path,
            default=Path(settings.AUDIT_CHECKPOINT_DIR) if settings.AUDIT_CHECKPOINT_DIR else None,
            help="Folder with the checkpoint file or a copy of it.",
        )
        parser.add_argument(
            "--public-key",
            default="",
            help="Public key of the checkpoints; the default is that of AUDIT_CHECKPOINT_KEY.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        errors = []
        for item in audit_verify():
            owner = item.organization_id or "the platform"
            row = f"row {item.id} (number {item.seq})" if item.id else f"after {item.seq}"
            errors.append(f"{owner}: {row}: {item.error}")
        if (folder := options["checkpoints"]) is not None:
            errors += checkpoints_verify(folder, options["public_key"] or public_key())
        for line in errors:
            self.stderr.write(line)
        if errors:
            msg = f"The audit log is not intact: {len(errors)} errors."
            raise CommandError(msg, returncode=1)
        checked = "" if folder is None else " It matches the signed checkpoints."
        self.stdout.write(f"The audit log is intact.{checked}")
