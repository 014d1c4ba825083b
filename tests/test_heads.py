"""HEAD asks what GET would answer: nothing happens, and nothing is recorded."""

from __future__ import annotations

import pytest
from django.urls import reverse

from apps.audit.models import AuditLog
from tests.support.access_matrix import ADMIN_PAGES, API
from tests.support.sample_data import RESOURCE, address, model_pages
from urfmp.common.export_slots import AT_ONCE

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
def recorded(organization_a, inside):
    """Return a function that tells what the record holds."""

    def read():
        with inside(organization_a):
            return list(AuditLog.objects.order_by("seq").values_list("action", flat=True))

    return read


@pytest.mark.parametrize("path", EXPORTS)
def test_no_export_begins(path, organization_a, alice, sign_in, recorded):
    client = sign_in(alice)
    before = recorded()
    for _ in range(AT_ONCE + 1):
        answer = client.head(path)
        assert (answer.status_code, answer.streaming) == (405, False)
        assert "GET" in answer["Allow"]
        assert "HEAD" not in answer["Allow"]
        assert not answer.content
    assert recorded() == before
    answer = client.get(path)
    assert b"".join(answer.streaming_content)
    assert len(recorded()) > len(before)


def test_nothing_that_is_read_is_changed_or_recorded(ids, alice, sign_in, recorded):
    client = sign_in(alice)
    paths = [address(route, ids) for route, method in API if method == "get"]
    for model, prefix in model_pages():
        paths.append(reverse(f"{prefix}_changelist"))
        if (name := RESOURCE.get(model._meta.model_name)) is not None:
            paths += [
                reverse(f"{prefix}_{page}", args=[ids[name]]) for page in ("change", "history")
            ]
    paths += [
        reverse(name, args=[ids["robot"]] if name == "admin:robot_page" else [])
        for name in ADMIN_PAGES
    ]
    assert len(paths) > 50
    before = recorded()
    for path in paths:
        answer = client.head(path)
        if answer.status_code == 403:  # of the platform alone, or of another role
            before.append("accounts.access.deny")
        assert answer.status_code in {200, 403, 405}, path
        assert not answer.content
        assert recorded() == before, path
