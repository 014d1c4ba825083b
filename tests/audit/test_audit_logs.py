"""Audit rows written by services."""

from __future__ import annotations

from apps.accounts.selectors.key_format import generate_key
from apps.audit.models import AuditLog
from apps.audit.services.audit_logs import audit_record


def test_audit_record_masks_known_secrets(organization_a, tenant):
    key = generate_key()
    with tenant(organization_a):
        row = audit_record(
            action="test.act",
            success=False,
            error_message=f"The key {key} is invalid.",
            request_data={"password": "hunter2hunter2", "note": f"with {key}", "name": "Gateway"},
            response_data={"token": "hunter2hunter2", "count": 1},
        )
        entry = AuditLog.objects.get(pk=row)
    text = f"{entry.error_message} {entry.request_data} {entry.response_data}"
    assert key not in text
    assert "hunter2" not in text
    assert entry.error_message.startswith("The key ")
    assert entry.request_data["name"] == "Gateway"
    assert entry.response_data["count"] == 1
