from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from apps.organizations.models import Organization
from apps.organizations.selectors import organization_ids
from apps.telemetry.services.retention import (
    OwnRetention,
    retention_due,
    retention_methods,
    retention_of,
    timescaledb_edition,
)
from urfmp.common.tenancy.context import tenant_transaction

_HOW = {
    "policy": "dropped by a native policy",
    "drop_chunks": "dropped by our own job, once an hour",
}


class Command(BaseCommand):
    help = "Show how long telemetry and status history are kept, how, and what goes when."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"TimescaleDB edition: {timescaledb_edition()}")
        for table, method, before in retention_methods():
            self.stdout.write(
                f"{table}: chunks that end before {before:%Y-%m-%d %H:%M} UTC are {_HOW[method]}"
            )
        for due in retention_due():
            self.stdout.write(f"  due: {due.chunk}, data until {due.until:%Y-%m-%d %H:%M} UTC")
        self.stdout.write("Rows that an organization keeps no longer go every six hours:")
        for organization_id in organization_ids():
            with tenant_transaction(organization_id):
                organization = Organization.objects.unscoped(reason="every organization").get()
                for own in retention_of(organization):
                    self.stdout.write(f"  {organization.slug}: {_line(own)}")


def _line(own: OwnRetention) -> str:
    kept = f"{own.kind} kept {own.days} days, since {own.since:%Y-%m-%d}"
    if own.oldest is None:
        return f"{kept}; nothing to delete"
    return f"{kept}; to delete: {own.robots} robots, from {own.oldest:%Y-%m-%d %H:%M} UTC on"
