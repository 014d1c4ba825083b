"""Attempts with invalid links, and links that are not sent, leave an audit row."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.services.one_time_links import link_create, password_link_request
from apps.accounts.services.users import user_update
from apps.audit.models import AuditLog

pytestmark = pytest.mark.django_db
NEW = "another long and good password"


@pytest.fixture
def recorded(monkeypatch):
    """Collect what is written to the platform's audit log."""
    from apps.accounts.services import login_audit

    entries = []
    real = login_audit.audit_record

    def record(**entry):
        entries.append(entry)
        real(**entry)

    monkeypatch.setattr(login_audit, "audit_record", record)
    return entries


def test_invalid_reset_code_is_audited(bob, api_post, recorded, tenant, organization_a):
    with tenant(organization_a):
        token, _ = link_create(bob, "password_reset")
    body = {"token": token, "password": NEW}
    assert api_post("auth/password-reset/confirm", body).status_code == 204
    for invalid in (token, token[:-1] + "x", "nonsense"):
        answer = api_post("auth/password-reset/confirm", {**body, "token": invalid})
        assert answer.status_code == 400
    actions = [(entry["action"], entry["success"]) for entry in recorded]
    assert actions == [("accounts.user.password_reset", False)] * 3
    assert token not in str(recorded)


def test_invalid_invitation_is_audited(db, api_post, recorded):
    body = {"token": "nonsense", "password": NEW}
    assert api_post("auth/invitation/accept", body).status_code == 400
    assert [entry["action"] for entry in recorded] == ["accounts.invitation.accept"]


def test_invalid_codes_are_sampled(db, api_post, monkeypatch):
    from apps.accounts.services import login_audit

    kept = []
    real = login_audit._rollback_unless_sampled

    def sample(is_sampled):
        kept.append(is_sampled)
        return real(is_sampled)

    monkeypatch.setattr(login_audit, "_rollback_unless_sampled", sample)
    body = {"token": "nonsense", "password": NEW}
    for _ in range(12):
        assert api_post("auth/password-reset/confirm", body).status_code == 400
    assert kept == [True] * 10 + [False] * 2


def test_link_to_deactivated_user_is_audited(bob, tenant, organization_a, run_jobs):
    with tenant(organization_a):
        password_link_request(bob)
        user_update(bob, is_active=False)
    run_jobs()
    with tenant(organization_a):
        row = AuditLog.objects.get(action="accounts.link.password_reset", success=False)
    assert (row.resource_id, row.error_message) == (
        bob.pk,
        "The link was not sent: the user is not active.",
    )


def test_reset_request_does_same_for_known_and_unknown_address(bob, api_post, client):
    """The response time cannot differ: the same statements run, and the job starts later."""
    from procrastinate.contrib.django.models import ProcrastinateJob

    statements = []
    for email in ("bob@acme.example", "nobody@acme.example"):
        api_post("auth/password-reset", {"email": f"warm-{email}"})
        with CaptureQueriesContext(connection) as captured:
            assert api_post("auth/password-reset", {"email": email}).status_code == 202
        statements.append([query["sql"].split(" ")[0] for query in captured.captured_queries])
    assert statements[0] == statements[1]
    jobs = ProcrastinateJob.objects.filter(task_name="accounts.send_password_reset")
    assert all(job.scheduled_at is not None for job in jobs)
