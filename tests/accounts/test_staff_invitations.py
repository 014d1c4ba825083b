"""Invitations by platform staff into the organization they have switched to."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse
from django.utils.html import strip_tags

from apps.accounts.models import Invitation, User
from apps.accounts.permissions.platform_staff import PLATFORM_STAFF_NAME
from apps.audit.models import AuditLog
from tests.accounts.test_invitations import KIM, accept
from tests.support.platform import enter

pytestmark = pytest.mark.django_db


@pytest.fixture
def invitation(root, organization_a, client_for, tenant, run_jobs):
    """An invitation of Kim by a super admin; the e-mail is enqueued."""
    client = client_for(root)
    enter(client, organization_a)
    body = {"email": KIM, "role": "admin"}
    answer = client.post("/api/v1/invitations", body, content_type="application/json")
    assert answer.status_code == 201, answer.content
    with tenant(organization_a):
        invitation = Invitation.objects.get()
    assert invitation.invited_by_id == root.pk
    return invitation


def text(answer):
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", strip_tags(answer.content.decode()))


def test_inviter_is_shown_as_platform_staff(
    invitation, organization_a, alice, bob, client_for, tenant
):
    with tenant(organization_a):
        entry = AuditLog.objects.get(action="accounts.invitation.create")
        User.objects.filter(pk=bob.pk).update(permissions=["audit.view"])
    args = [invitation.pk]
    client = client_for(alice)
    for address in (
        reverse("admin:accounts_invitation_changelist"),
        reverse("admin:accounts_invitation_change", args=args),
    ):
        assert PLATFORM_STAFF_NAME in text(client.get(address))
    for address in (
        reverse("admin:accounts_invitation_history", args=args),
        reverse("admin:audit_auditlog_change", args=[entry.pk]),
    ):
        assert re.search(f"invited by.{{1,20}}{PLATFORM_STAFF_NAME}", text(client.get(address)))


def test_audit_log_hidden_user_is_not_shown_as_platform_staff(
    organization_a, alice, make_user, client_for, tenant
):
    auditor = make_user(organization_a, "custom", permissions=["audit.view"])
    answer = client_for(alice).post(
        "/api/v1/invitations", {"email": KIM}, content_type="application/json"
    )
    assert answer.status_code == 201
    with tenant(organization_a):
        entry = AuditLog.objects.get(action="accounts.invitation.create")
    page = text(client_for(auditor).get(reverse("admin:audit_auditlog_change", args=[entry.pk])))
    assert str(alice.pk) in page
    assert PLATFORM_STAFF_NAME not in page


def test_invitation_of_super_admin_is_accepted(
    invitation, organization_a, run_jobs, newest_code, tenant
):
    run_jobs()
    assert accept(newest_code()).status_code == 204
    with tenant(organization_a):
        assert User.objects.get(email=KIM).role == "admin"


@pytest.mark.parametrize("changes", [{"is_active": False}, {"role": "admin"}])
def test_former_super_admin_invalidates_invitation(
    changes, invitation, root, tenant, run_jobs, newest_code
):
    run_jobs()
    with tenant(root.organization_of_test):
        User.objects.filter(pk=root.pk).update(**changes)
    assert accept(newest_code()).json()["code"] == "link_refused"
    with tenant(root.organization_of_test):
        User.objects.filter(pk=root.pk).update(is_active=True, role="super_admin")
    assert accept(newest_code()).status_code == 204
