"""Invitations: valid for seven days, with a role, sent by e-mail."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.exceptions import InvalidLinkError, PlanLimitError, RoleNotAllowedError
from apps.accounts.models import Invitation, User
from apps.accounts.services.invitations import (
    expired_invitations_delete,
    invitation_accept,
    invitation_create,
    invitation_resend,
    invitation_revoke,
)
from apps.accounts.services.users import user_update
from apps.audit.models import AuditLog
from apps.organizations.models import Organization
from apps.organizations.services.platform import organization_deactivate
from tests.support.concurrency import run_concurrently
from urfmp.common.mail import MailNotConfiguredError
from urfmp.common.security.bearer_secrets import hash_token

pytestmark = pytest.mark.django_db

KIM = "kim@plant.example"
PASSWORD = "seven quiet green herons"


@pytest.fixture
def invite(organization_a, alice, tenant):
    def call(email=KIM, organization=organization_a, invited_by=alice, **fields):
        with tenant(organization):
            return invitation_create(
                organization_id=organization.pk, email=email, invited_by=invited_by, **fields
            )

    return call


@pytest.fixture
def code(invite, run_jobs, newest_code):
    """The token that was sent to Kim."""
    invite(role="technician", permissions=["robot.control"])
    run_jobs()
    return newest_code()


def accept(token, password=PASSWORD, **fields):
    body = {"token": token, "password": password, **fields}
    return Client().post("/api/v1/auth/invitation/accept", body, content_type="application/json")


def can_log_in(email=KIM, password=PASSWORD):
    return Client().post("/admin/login/", {"email": email, "password": password}).status_code == 302


def test_accepted_invitation_creates_user(code, tenant, organization_a, alice):
    assert mail.outbox[-1].to == [KIM]
    assert f"/admin/accept-invitation/#{code}" in mail.outbox[-1].body
    assert not can_log_in()
    assert accept(code, first_name="Kim").status_code == 204
    with tenant(organization_a):
        kim = User.objects.get(email=KIM)
        assert not Invitation.objects.exists()
    assert (kim.role, kim.permissions, kim.first_name) == ("technician", ["robot.control"], "Kim")
    assert kim.email_verified
    assert can_log_in()
    again = accept(code)
    assert (again.status_code, again.json()["code"]) == (400, "link_refused")


def test_pages_invite_and_accept(client, alice, client_for, run_jobs, newest_code):
    own = client_for(alice)
    answer = own.post(reverse("admin:accounts_invitation_add"), {"email": KIM, "role": "viewer"})
    assert answer.status_code == 302, answer.content
    assert KIM in own.get(reverse("admin:accounts_invitation_changelist")).content.decode()
    run_jobs()
    address = reverse("admin:accept_invitation")
    assert client.get(address).status_code == 200
    form = {"token": newest_code(), "password": PASSWORD, "password2": "x", "first_name": "Kim"}
    assert client.post(address, form).status_code == 400
    form["password2"] = PASSWORD
    answer = client.post(address, form)
    assert (answer.status_code, answer["Location"]) == (302, "/admin/login/")
    assert can_log_in()
    rejected = client.post(address, form)
    assert rejected.status_code == 400
    assert "This link is invalid" in rejected.content.decode()


def test_invalid_password_keeps_invitation_valid(code):
    rejected = accept(code, "short")
    assert (rejected.status_code, set(rejected.json()["errors"])) == (400, {"password"})
    assert accept(code).status_code == 204


def test_expiry_and_resend_invalidate_token(
    code, tenant, organization_a, alice, run_jobs, newest_code
):
    with tenant(organization_a):
        row = Invitation.objects.get()
        assert timedelta(days=6, hours=23) < row.expires_at - timezone.now() <= timedelta(days=7)
        Invitation.objects.update(expires_at=timezone.now())
    assert accept(code).status_code == 400
    with tenant(organization_a):
        invitation_resend(row, invited_by=alice)
    assert accept(code).status_code == 400
    run_jobs()
    assert accept(code).status_code == 400
    assert accept(newest_code()).status_code == 204


def test_revoked_invitation_is_rejected_and_not_sent(
    invite, code, tenant, organization_a, run_jobs
):
    with tenant(organization_a):
        invitation_revoke(Invitation.objects.get())
    assert accept(code).status_code == 400
    with tenant(organization_a):
        invitation_revoke(invite())
    sent = len(mail.outbox)
    run_jobs()
    assert len(mail.outbox) == sent


def test_inactive_organization_invalidates_invitation(code, tenant, organization_a):
    with tenant(organization_a):
        organization_deactivate(organization_a)
    assert accept(code).status_code == 400


@pytest.mark.parametrize("changes", [{"is_active": False}, {"role": "viewer"}])
def test_inviter_without_granted_permissions_invalidates_invitation(
    changes, code, tenant, organization_a, alice, make_user
):
    make_user(organization_a)
    with tenant(organization_a):
        user_update(alice, **changes)
    assert accept(code).status_code == 400


def test_inviter_without_invite_permission_invalidates_invitation(
    invite, make_user, organization_a, tenant, run_jobs, newest_code
):
    inviter = make_user(organization_a, "operator", permissions=["user.invite"])
    invite(role="operator", invited_by=inviter)
    run_jobs()
    with tenant(organization_a):
        User.objects.filter(pk=inviter.pk).update(permissions=[])
    assert accept(newest_code()).json()["code"] == "link_refused"
    with tenant(organization_a):
        User.objects.filter(pk=inviter.pk).update(permissions=["user.invite"])
    assert accept(newest_code()).status_code == 204


def test_inviter_of_other_organization_is_rejected(invite, charlie, tenant, organization_a):
    with pytest.raises(ValidationError):
        invite(invited_by=charlie)
    invite()
    with pytest.raises(IntegrityError, match="another organization"), tenant(organization_a):
        Invitation.objects.update(invited_by=charlie.pk)


def test_invitation_does_not_reveal_accounts_of_other_organizations(
    alice, charlie, client_for, run_jobs, newest_code, tenant, organization_a
):
    client = client_for(alice)
    answers = [
        client.post("/api/v1/invitations", {"email": email}, content_type="application/json")
        for email in (KIM, charlie.email)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    shapes = [
        {**answer.json(), "id": "", "email": "", "created_at": "", "expires_at": ""}
        for answer in answers
    ]
    assert shapes[0] == shapes[1]
    run_jobs()
    assert mail.outbox[-1].to == [charlie.email]
    rejected = accept(newest_code())
    assert (rejected.status_code, set(rejected.json()["errors"])) == (400, {"email"})
    with tenant(organization_a):
        assert Invitation.objects.filter(email=charlie.email).exists()
    own = client.post(
        "/api/v1/invitations", {"email": alice.email}, content_type="application/json"
    )
    assert (own.status_code, set(own.json()["errors"])) == (400, {"email"})
    twice = client.post("/api/v1/invitations", {"email": KIM}, content_type="application/json")
    assert (twice.status_code, set(twice.json()["errors"])) == (400, {"email"})


def test_pending_invitations_count_towards_plan(
    invite, tenant, organization_a, alice, run_jobs, newest_code
):
    with tenant(organization_a):
        Organization.objects.update(plan="custom", user_limit=2)
    pending = invite()
    with pytest.raises(PlanLimitError):
        invite("lee@plant.example")
    run_jobs()
    assert accept(newest_code()).status_code == 204  # at the limit, its own place is free
    with pytest.raises(PlanLimitError):
        invite("lee@plant.example")
    with tenant(organization_a):
        user_update(User.objects.get(email=KIM), is_active=False)
    expired = invite("lee@plant.example")
    with tenant(organization_a):
        Invitation.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    invite("ada@plant.example")
    with tenant(organization_a), pytest.raises(PlanLimitError):
        invitation_resend(expired, invited_by=alice)
    assert pending.pk


@pytest.mark.django_db(transaction=True)
def test_concurrent_accepts_one_succeeds(code, actor):
    def accept_concurrently():
        return invitation_accept(actor, token=code, password=PASSWORD)

    outcome = run_concurrently(*[accept_concurrently] * 6)
    assert sum(isinstance(item, User) for item in outcome) == 1, outcome
    assert sum(isinstance(item, InvalidLinkError) for item in outcome) == 5, outcome


def test_super_admin_role_is_rejected(invite, root):
    with pytest.raises(RoleNotAllowedError):
        invite(role="super_admin")
    with pytest.raises(RoleNotAllowedError):
        invite(organization=root.organization_of_test, invited_by=root, role="super_admin")


@pytest.mark.parametrize("email", ["", "nobody", "a@b", "x" * 250 + "@plant.example"])
def test_invalid_email_is_rejected(email, invite):
    with pytest.raises(ValidationError):
        invite(email)


def test_mail_not_configured_rejects_invitation(invite, settings, tenant, organization_a):
    settings.MAIL_IS_CONFIGURED = False
    with pytest.raises(MailNotConfiguredError):
        invite()
    with tenant(organization_a):
        assert not Invitation.objects.exists()


def test_token_exists_only_in_email(code, tenant, organization_a):
    with tenant(organization_a):
        assert Invitation.objects.get().token_digest == hash_token(code)
        entries = list(AuditLog.objects.filter(resource_type="invitation").values())
    assert entries
    assert code not in str(entries)
    assert hash_token(code) not in str(entries)
    assert accept(hash_token(code)).status_code == 400


def test_writes_audit_row(code, tenant, organization_a, alice):
    accept(code)
    with tenant(organization_a):
        actions = set(
            AuditLog.objects.filter(resource_type="invitation").values_list("action", flat=True)
        )
    assert actions >= {
        "accounts.invitation.create",
        "accounts.invitation.send",
        "accounts.invitation.accept",
    }


def test_other_organization_gets_404(code, tenant, organization_a, charlie, client_for):
    with tenant(organization_a):
        pk = Invitation.objects.get().pk
    client = client_for(charlie)
    assert client.get(f"/api/v1/invitations/{pk}").status_code == 404
    assert client.delete(f"/api/v1/invitations/{pk}").status_code == 404
    assert client.post(f"/api/v1/invitations/{pk}/resend").status_code == 404
    assert client.get("/api/v1/invitations").json()["results"] == []


def test_api_resends_and_revokes(code, tenant, organization_a, alice, client_for, run_jobs):
    with tenant(organization_a):
        pk = Invitation.objects.get().pk
    client = client_for(alice)
    assert client.post(f"/api/v1/invitations/{pk}/resend").status_code == 200
    run_jobs()
    assert mail.outbox[-1].to == [KIM]
    assert client.delete(f"/api/v1/invitations/{pk}").status_code == 204
    assert client.get(f"/api/v1/invitations/{pk}").status_code == 404


def test_admin_resends_and_revokes(code, tenant, organization_a, alice, client_for, run_jobs):
    with tenant(organization_a):
        pk = Invitation.objects.get().pk
    client = client_for(alice)
    page = reverse("admin:accounts_invitation_change", args=[pk])
    act = [
        reverse("admin:accounts_invitation_act", args=[pk, name]) for name in ("resend", "revoke")
    ]
    answer = client.post(act[0], headers={"referer": f"http://testserver{page}"})
    assert (answer.status_code, answer["Location"]) == (302, page)
    run_jobs()
    assert mail.outbox[-1].to == [KIM]
    answer = client.post(act[1], headers={"referer": f"http://testserver{page}"})
    assert (answer.status_code, answer["Location"]) == (
        302,
        reverse("admin:accounts_invitation_changelist"),
    )
    with tenant(organization_a):
        assert not Invitation.objects.exists()


def test_expired_invitations_are_deleted_after_30_days(invite, tenant, organization_a):
    for email, days in ((KIM, 29), ("lee@plant.example", 31)):
        row = invite(email)
        with tenant(organization_a):
            Invitation.objects.filter(pk=row.pk).update(
                expires_at=timezone.now() - timedelta(days=days)
            )
    with tenant(organization_a):
        assert expired_invitations_delete() == 1
        assert Invitation.objects.get().email == KIM
