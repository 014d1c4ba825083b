"""HEAD has no effect and writes no audit row."""

from __future__ import annotations

import pytest
from django.urls import reverse

from apps.audit.models import AuditLog
from tests.support.access_matrix import ADMIN_PAGE_IDS, ADMIN_PAGES, API
from tests.support.sample_data import RESOURCE, address, model_pages
from urfmp.common.export_slots import MAX_CONCURRENT_PER_ORGANIZATION

pytestmark = pytest.mark.django_db(transaction=True)

RANGE = "format=csv&start=2026-01-01T00:00&end=2026-01-02T00:00"
EXPORTS = (
    "/api/v1/audit-logs/export",
    f"/api/v1/telemetry/export?{RANGE.replace('T00:00', 'T00:00:00Z')}",
    "/admin/audit/auditlog/export/csv/",
    "/admin/audit/auditlog/export/jsonl/?outcome=done",
    f"/admin/telemetry/export/?{RANGE}",
)


@pytest.fixture
def audit_actions(organization_a, tenant):
    """Return a function that returns the actions in the audit log."""

    def read():
        with tenant(organization_a):
            return list(AuditLog.objects.order_by("seq").values_list("action", flat=True))

    return read


@pytest.mark.parametrize("path", EXPORTS)
def test_head_of_export_gets_405(path, organization_a, alice, client_for, audit_actions):
    client = client_for(alice)
    before = audit_actions()
    for _ in range(MAX_CONCURRENT_PER_ORGANIZATION + 1):
        answer = client.head(path)
        assert (answer.status_code, answer.streaming) == (405, False)
        assert "GET" in answer["Allow"]
        assert "HEAD" not in answer["Allow"]
        assert not answer.content
    assert audit_actions() == before
    answer = client.get(path)
    assert b"".join(answer.streaming_content)
    assert len(audit_actions()) > len(before)


def test_head_writes_no_audit_row(ids, alice, client_for, audit_actions):
    client = client_for(alice)
    paths = [address(route, ids) for route, method in API if method == "get"]
    for model, prefix in model_pages():
        paths.append(reverse(f"{prefix}_changelist"))
        if (name := RESOURCE.get(model._meta.model_name)) is not None:
            paths += [
                reverse(f"{prefix}_{page}", args=[ids[name]]) for page in ("change", "history")
            ]
    paths += [
        reverse(name, args=[ids[ADMIN_PAGE_IDS[name]]] if name in ADMIN_PAGE_IDS else [])
        for name in ADMIN_PAGES
    ]
    assert len(paths) > 50
    before = audit_actions()
    for path in paths:
        answer = client.head(path)
        if answer.status_code == 403:  # platform pages, or pages of another role
            before.append("accounts.access.deny")
        assert answer.status_code in {200, 403, 405}, path
        assert not answer.content
        assert audit_actions() == before, path
