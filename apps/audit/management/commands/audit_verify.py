from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.audit.selectors.chain import audit_verify
from apps.audit.services.checkpoints import checkpoints_verify, public_key


class Command(BaseCommand):
    help = (
        "Check the chain of the audit record, against signed checkpoints where there are any; name"
        " the first bad row of each and exit with 1."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--checkpoints",
            type=Path,
            default=Path(settings.AUDIT_CHECKPOINT_DIR) if settings.AUDIT_CHECKPOINT_DIR else None,
            help="The folder with the file of checkpoints, or a copy of it.",
        )
        parser.add_argument(
            "--public-key", default="", help="What checks them, if not AUDIT_CHECKPOINT_KEY."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        faults = []
        for fault in audit_verify():
            owner = fault.organization_id or "the platform"
            row = f"row {fault.id} (number {fault.seq})" if fault.id else f"after {fault.seq}"
            faults.append(f"{owner}: {row}: {fault.fault}")
        if (folder := options["checkpoints"]) is not None:
            faults += checkpoints_verify(folder, options["public_key"] or public_key())
        for line in faults:
            self.stderr.write(line)
        if faults:
            msg = f"The audit record is not whole: {len(faults)} faults."
            raise CommandError(msg, returncode=1)
        told = "" if folder is None else " It fits the signed checkpoints."
        self.stdout.write(f"The audit record is whole.{told}")
