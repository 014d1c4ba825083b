"""Users who may invite cannot flood mailboxes."""

from __future__ import annotations

import pytest
from django.core import mail
from django.urls import reverse

from apps.accounts import throttling
from apps.accounts.models import Invitation, User

pytestmark = pytest.mark.django_db

KIM = "kim@plant.example"


def invite(client, email=KIM):
    return client.post("/api/v1/invitations", {"email": email}, content_type="application/json")


def add(client, email):
    body = {"email": email, "role": "viewer"}
    return client.post("/api/v1/users", body, content_type="application/json")


def test_address_limit_is_five_per_hour(
    alice, charlie, client_for, run_jobs, tenant, organization_a
):
    client = client_for(alice)
    made = invite(client)
    assert made.status_code == 201
    resend = f"/api/v1/invitations/{made.json()['id']}/resend"
    assert [client.post(resend).status_code for _ in range(3)] == [200] * 3
    run_jobs()
    client.delete(f"/api/v1/invitations/{made.json()['id']}")
    again = invite(client, "KIM@plant.example")
    assert again.status_code == 201
    client.delete(f"/api/v1/invitations/{again.json()['id']}")
    run_jobs()
    sent = len(mail.outbox)
    for answer in (invite(client), add(client, KIM)):
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
        assert 0 < int(answer["Retry-After"]) <= 3600
    page = client.post(reverse("admin:accounts_invitation_add"), {"email": KIM, "role": "viewer"})
    assert "Too many invitations and password links" in page.content.decode()
    run_jobs()
    assert len(mail.outbox) == sent == 4
    with tenant(organization_a):  # a rejected request creates nothing
        assert not Invitation.objects.exists()
        assert not User.objects.filter(email=KIM).exists()
    assert invite(client, "lee@plant.example").status_code == 201
    assert invite(client_for(charlie)).status_code == 201  # another organization


def test_password_links_count(alice, bob, client_for):
    client = client_for(alice)
    path = f"/api/v1/users/{bob.pk}/password-link"
    assert [client.post(path).status_code for _ in range(6)] == [202] * 5 + [429]


def test_organization_limit_is_per_day(alice, client_for, monkeypatch):
    monkeypatch.setattr(throttling, "_MAX_MAILS_PER_ORGANIZATION", 3)
    client = client_for(alice)
    statuses = [invite(client, f"n{number}@plant.example").status_code for number in range(4)]
    assert statuses == [201] * 3 + [429]
