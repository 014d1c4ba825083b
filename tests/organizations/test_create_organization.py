from __future__ import annotations

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command

from apps.accounts.credentials import user_organization
from apps.organizations.selectors import organization_ids
from urfmp.common.tenancy import tenant_transaction

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("slug", "role"), [("acme", "admin"), ("platform", "super_admin")])
def test_administrator_may_sign_in(capsys, slug, role):
    call_command("create_organization", slug, admin="Ann@acme.example", timezone="Europe/Berlin")
    password = capsys.readouterr().out.split()[-1]

    user = authenticate(username="ann@acme.example", password=password)
    assert user.role == role
    with tenant_transaction(user.organization_id):
        assert user.organization.slug == user.organization.name == slug
        assert user.organization.timezone == "Europe/Berlin"


@pytest.mark.parametrize(
    ("slug", "options"),
    [
        ("Not A Slug", {}),
        ("acme", {"timezone": "Mars/Base"}),
        ("acme", {"admin": "nobody"}),
    ],
)
def test_a_fault_leaves_nothing_behind(slug, options):
    before = list(organization_ids())
    with pytest.raises(CommandError):
        call_command("create_organization", slug, **{"admin": "ann@acme.example", **options})
    assert list(organization_ids()) == before
    assert user_organization("ann@acme.example") is None


def test_a_slug_or_address_that_is_taken_is_refused(organization_a, alice):
    with pytest.raises(CommandError, match="This slug is taken"):
        call_command("create_organization", "acme", admin="ann@acme.example")
    with pytest.raises(CommandError, match="This address is taken"):
        call_command("create_organization", "other", admin=alice.email)
    assert len(list(organization_ids())) == 1
