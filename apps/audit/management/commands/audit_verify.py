from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.audit.selectors import audit_verify


class Command(BaseCommand):
    help = "Check the chain of the audit record; name the first bad row of each and exit with 1."

    def handle(self, *args: Any, **options: Any) -> None:
        faults = audit_verify()
        for fault in faults:
            owner = fault.organization_id or "the platform"
            row = f"row {fault.id} (number {fault.seq})" if fault.id else f"after {fault.seq}"
            self.stderr.write(f"{owner}: {row}: {fault.fault}")
        if faults:
            msg = f"{len(faults)} chains of the audit record are broken."
            raise CommandError(msg, returncode=1)
        self.stdout.write("The audit record is whole.")
