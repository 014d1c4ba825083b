from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from apps.organizations.models import Organization
from apps.telemetry.selectors.retention import (
    OrganizationRetention,
    get_organization_retention,
    retention_due,
    retention_methods,
    timescaledb_edition,
)
from urfmp.common.tenancy.context import tenant_transaction
from urfmp.common.tenancy.organizations import organization_ids

_METHOD_LABELS = {
    "policy": "dropped by a native policy",
    "drop_chunks": "dropped by an hourly job",
}


class Command(BaseCommand):
    help = "Show the retention of telemetry and status history, and what is due."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"TimescaleDB edition: {timescaledb_edition()}")
        for table, method, before in retention_methods():
            how = _METHOD_LABELS[method]
            self.stdout.write(
                f"{table}: chunks that end before {before:%Y-%m-%d %H:%M} UTC are {how}"
            )
        for due in retention_due():
            self.stdout.write(f"  due: {due.chunk}, data until {due.until:%Y-%m-%d %H:%M} UTC")
        self.stdout.write("Expired rows of an organization are deleted every six hours:")
        for organization_id in organization_ids():
            with tenant_transaction(organization_id):
                organization = Organization.objects.unscoped(reason="every organization").get()
                for own in get_organization_retention(organization):
                    self.stdout.write(f"  {organization.slug}: {_describe(own)}")


def _describe(own: OrganizationRetention) -> str:
    kept = f"{own.kind} kept {own.days} days, since {own.since:%Y-%m-%d}"
    if own.oldest is None:
        return f"{kept}; nothing to delete"
    return f"{kept}; to delete: {own.robots} robots, from {own.oldest:%Y-%m-%d %H:%M} UTC on"
