from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from apps.accounts.services.sessions import expired_sessions_delete
from urfmp.common.tenancy.context import tenant_transaction
from urfmp.common.tenancy.organizations import organization_ids


class Command(BaseCommand):
    help = "Delete sessions that expired more than 30 days ago."

    def handle(self, *args: Any, **options: Any) -> None:
        removed = 0
        for organization_id in organization_ids():
            with tenant_transaction(organization_id):
                removed += expired_sessions_delete()
        self.stdout.write(f"{removed} sessions deleted.")
