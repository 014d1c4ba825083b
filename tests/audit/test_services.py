"""What services record is masked before it is written."""

from __future__ import annotations

from apps.accounts.selectors.key_format import generate_key
from apps.audit.models import AuditLog
from apps.audit.services.audit_logs import audit_record


def test_secrets_known_by_name_or_form_are_masked(organization_a, tenant):
    key = generate_key()
    with tenant(organization_a):
        row = audit_record(
            action="test.act",
            success=False,
            error_message=f"The key {key} was refused.",
            request_data={"password": "hunter2hunter2", "note": f"with {key}", "name": "Gateway"},
            response_data={"token": "hunter2hunter2", "count": 1},
        )
        entry = AuditLog.objects.get(pk=row)
    told = f"{entry.error_message} {entry.request_data} {entry.response_data}"
    assert key not in told
    assert "hunter2" not in told
    assert entry.error_message.startswith("The key ")
    assert entry.request_data["name"] == "Gateway"
    assert entry.response_data["count"] == 1
