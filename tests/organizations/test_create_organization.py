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


def test_administrator_may_sign_in(capsys):
    _create()
    password = capsys.readouterr().out.split()[-1]

    user = authenticate(username="Ann@acme.example", password=password)
    assert user.role == "admin"
    with tenant_transaction(user.organization_id):
        assert (user.organization.name, user.organization.slug) == ("Acme", "acme")


@pytest.mark.parametrize("fault", [{"slug": "Not A Slug"}, {"email": "nobody"}])
def test_a_fault_leaves_nothing_behind(fault):
    before = list(organization_ids())
    with pytest.raises(CommandError):
        _create(**fault)
    assert list(organization_ids()) == before
    assert user_organization_id("ann@acme.example") is None


def test_a_slug_or_address_that_is_taken_is_refused(organization_a, alice):
    with pytest.raises(CommandError, match=r"slug .*is taken"):
        _create(slug=organization_a.slug)
    with pytest.raises(CommandError, match="address is taken"):
        _create(slug="other", email=alice.email)
    assert len(list(organization_ids())) == 1


def test_super_admins_share_the_platform(capsys):
    for email in ("one@platform.example", "two@platform.example"):
        call_command("create_super_admin", email)
        password = capsys.readouterr().out.split()[-1]
        assert authenticate(username=email, password=password).role == "super_admin"
    assert len(list(organization_ids())) == 1
    with pytest.raises(CommandError, match="address is taken"):
        call_command("create_super_admin", "one@platform.example")
