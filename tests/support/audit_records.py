from __future__ import annotations

from apps.audit.services.audit_logs import audit_record
from urfmp.common.tenancy.context import tenant_transaction


def record(organization, count):
    """Write audit rows of an organization, each in a transaction of its own."""
    for number in range(count):
        with tenant_transaction(organization.id):
            audit_record(action=f"test.act.{number}", request_data={"number": number})
