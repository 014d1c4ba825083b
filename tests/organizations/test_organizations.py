from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from apps.accounts.models import User
from apps.accounts.services.users import system_user_create
from apps.organizations.models import Organization
from apps.organizations.services.organizations import organization_create, organization_update
from urfmp.common.tenancy.organizations import organization_ids


def test_organization_has_one_system_user(organization_a, tenant):
    with tenant(organization_a):
        system = User.objects.get(is_system=True)
        assert (system.is_active, system.has_usable_password()) == (False, False)
        with pytest.raises(Exception, match="users_one_system_user"):
            system_user_create(organization_id=organization_a.id, slug="other")


@pytest.mark.parametrize("slug", ["acme", "Acme", "a b", "", "-a", "ä"])
def test_taken_or_invalid_slug_is_rejected(slug, organization_a):
    with pytest.raises(ValidationError) as raised:
        organization_create(name="x", slug=slug)
    assert set(raised.value.message_dict) == {"slug"}


def test_update_writes_only_given_fields(organization_a, tenant):
    with tenant(organization_a):
        stale = Organization.objects.get()
        organization_update(organization_a, description="new")
        organization_update(stale, settings={"timezone": "Asia/Tokyo"})
        fresh = Organization.objects.get()
    assert (fresh.description, fresh.timezone) == ("new", "Asia/Tokyo")


def test_organization_ids_need_no_tenant(organization_a, organization_b):
    assert {organization_a.id, organization_b.id} <= set(organization_ids())
