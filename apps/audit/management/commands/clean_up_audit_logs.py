from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from apps.audit.services.audit_logs import audit_clean_up


class Command(BaseCommand):
    help = "Delete audit rows older than a year."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{audit_clean_up()} audit rows deleted.")
