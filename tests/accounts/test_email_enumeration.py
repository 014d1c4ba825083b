"""An organization learns of addresses elsewhere ten times a day, and of no more."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.urls import reverse

from apps.accounts.models import User

pytestmark = pytest.mark.django_db

TAKEN = {"email": ["This e-mail address is already in use."]}


@pytest.fixture
def client(alice, bob, charlie, client_for):
    return client_for(alice)


def add(client, email):
    body = {"email": email, "role": "viewer"}
    return client.post("/api/v1/users", body, content_type="application/json")


def move(client, person, email):
    body = {"email": email}
    return client.patch(f"/api/v1/users/{person.pk}", body, content_type="application/json")


def spend(client, charlie, bob):
    """Ask ten times, by either way."""
    for number in range(10):
        answer = move(client, bob, charlie.email) if number % 2 else add(client, charlie.email)
        assert (answer.status_code, answer.json()["errors"]) == (400, TAKEN), number


def test_disclosure_limit_exceeded_rejects_every_address_alike(
    client, bob, charlie, organization_a, tenant
):
    spend(client, charlie, bob)
    for email in (charlie.email, charlie.email.upper(), "free@acme.example"):
        for answer in (add(client, email), move(client, bob, email)):
            assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
            assert 0 < int(answer["Retry-After"]) <= 24 * 60 * 60
    page = client.post(
        reverse("admin:accounts_user_add"), {"email": "free@acme.example", "role": "viewer"}
    )
    assert "send an invitation" in page.content.decode()
    with tenant(organization_a):
        assert not User.objects.filter(email="free@acme.example").exists()
    body = {"email": charlie.email}
    invited = client.post("/api/v1/invitations", body, content_type="application/json")
    assert invited.status_code == 201
    renamed = client.patch(
        f"/api/v1/users/{bob.pk}",
        {"first_name": "Robert", "email": bob.email},
        content_type="application/json",
    )
    assert renamed.status_code == 200


def test_disclosure_limit_applies_to_pages(client, bob, charlie):
    form = {"email": charlie.email, "role": "viewer"}
    for _ in range(10):
        page = client.post(reverse("admin:accounts_user_add"), form)
        assert page.context["adminform"].form.errors == TAKEN
    assert add(client, "free@acme.example").status_code == 429


def test_disclosure_limit_ignores_own_users(client, alice, bob):
    for _ in range(12):
        for answer in (add(client, alice.email), move(client, bob, alice.email)):
            assert (answer.status_code, set(answer.json()["errors"])) == (400, {"email"})
    assert add(client, "free@acme.example").status_code == 201


def test_disclosure_limit_is_per_organization(client, alice, bob, charlie, client_for):
    spend(client, charlie, bob)
    assert add(client_for(charlie), "free@globex.example").status_code == 201
    cache.delete(f"{alice.organization_id}:addresses_told")
    assert add(client, "free@acme.example").status_code == 201  # counted, without a disclosure
    assert add(client, charlie.email).status_code == 429
