from __future__ import annotations

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command

from apps.accounts.selectors.credentials import user_organization_id
from urfmp.common.tenancy.context import tenant_transaction
from urfmp.common.tenancy.organizations import organization_ids

pytestmark = pytest.mark.django_db


def _create(name="Acme", slug="acme", email="ann@acme.example"):
    call_command("create_organization", name, slug=slug, admin_email=email)


def test_create_organization_admin_can_log_in(capsys):
    _create()
    password = capsys.readouterr().out.split()[-1]

    user = authenticate(username="Ann@acme.example", password=password)
    assert user.role == "admin"
    with tenant_transaction(user.organization_id):
        assert (user.organization.name, user.organization.slug) == ("Acme", "acme")


@pytest.mark.parametrize("invalid", [{"slug": "Not A Slug"}, {"email": "nobody"}])
def test_create_organization_with_invalid_values_creates_nothing(invalid):
    before = list(organization_ids())
    with pytest.raises(CommandError):
        _create(**invalid)
    assert list(organization_ids()) == before
    assert user_organization_id("ann@acme.example") is None


def test_create_organization_with_taken_slug_or_email_fails(organization_a, alice):
    with pytest.raises(CommandError, match="slug already exists"):
        _create(slug=organization_a.slug)
    with pytest.raises(CommandError, match="address is already in use"):
        _create(slug="other", email=alice.email)
    assert len(list(organization_ids())) == 1


def test_create_super_admin_twice_uses_one_platform(capsys):
    for email in ("one@platform.example", "two@platform.example"):
        call_command("create_super_admin", email)
        password = capsys.readouterr().out.split()[-1]
        assert authenticate(username=email, password=password).role == "super_admin"
    assert len(list(organization_ids())) == 1
    with pytest.raises(CommandError, match="address is already in use"):
        call_command("create_super_admin", "one@platform.example")
