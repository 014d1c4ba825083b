"""Links and invitations that are not ordered, not sent, kept for a while, or of no use."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from apps.accounts.choices import LinkPurpose
from apps.accounts.exceptions import InvalidLinkError, SystemUserError
from apps.accounts.models import Invitation, OneTimeLink, User
from apps.accounts.selectors.one_time_links import LINK_KINDS
from apps.accounts.services.invitations import expired_invitations_delete, invitation_create
from apps.accounts.services.one_time_links import (
    expired_links_delete,
    link_create,
    link_request,
    password_set_with_token,
)
from apps.accounts.services.users import system_user_get

PURPOSE = LinkPurpose.PASSWORD_RESET


def test_user_deactivated_before_job_gets_no_link(bob, organization_a, tenant, run_jobs):
    with tenant(organization_a):
        link_request(bob, PURPOSE)
        User.objects.filter(pk=bob.pk).update(is_active=False)
    assert run_jobs() == 1
    assert mail.outbox == []
    with tenant(organization_a):
        assert not OneTimeLink.objects.exists()


def test_system_user_gets_no_link(organization_a, tenant, run_jobs):
    with tenant(organization_a), pytest.raises(SystemUserError):
        link_request(system_user_get(organization_id=organization_a.pk), PURPOSE)
    assert run_jobs() == 0


def test_invitation_expired_before_job_is_not_sent(organization_a, alice, tenant, run_jobs):
    with tenant(organization_a):
        invitation_create(
            organization_id=organization_a.pk, email="kim@plant.example", invited_by=alice
        )
        Invitation.objects.update(expires_at=timezone.now() - timedelta(minutes=5))
    assert run_jobs() == 1
    assert mail.outbox == []
    with tenant(organization_a):
        assert Invitation.objects.get().token_digest is None


def test_expired_links_and_invitations_are_kept_30_days(organization_a, alice, tenant):
    with tenant(organization_a):
        link_create(alice, PURPOSE)
        invitation_create(
            organization_id=organization_a.pk, email="kim@plant.example", invited_by=alice
        )
        for days, left in ((29, 1), (31, 0)):
            expired = timezone.now() - timedelta(days=days)
            for model in (OneTimeLink, Invitation):
                model.objects.update(expires_at=expired)
            expired_links_delete()
            expired_invitations_delete()
            assert [model.objects.count() for model in (OneTimeLink, Invitation)] == [left, left]


def test_link_of_other_kind_cannot_set_password(organization_a, alice, tenant, actor, monkeypatch):
    with tenant(organization_a):
        token, _ = link_create(alice, PURPOSE)
    with monkeypatch.context() as patch:
        patch.setitem(LINK_KINDS, PURPOSE, replace(LINK_KINDS[PURPOSE], sets_password=False))
        with pytest.raises(InvalidLinkError):
            password_set_with_token(actor, token=token, password="seven quiet green herons")
    assert password_set_with_token(actor, token=token, password="seven quiet green herons")
