from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from apps.accounts.models import User, UserSession
from apps.accounts.services.sessions import clean_up_sessions
from apps.accounts.services.users import system_user_create
from apps.accounts.tasks import clean_up
from apps.organizations.models import Facility, Organization
from apps.organizations.services.facilities import facility_update
from apps.organizations.services.organizations import organization_create, organization_update
from urfmp.common.tenancy.organizations import organization_ids


def test_organization_has_one_system_user(organization_a, tenant):
    with tenant(organization_a):
        system = User.objects.get(is_system=True)
        assert (system.is_active, system.has_usable_password()) == (False, False)
        with pytest.raises(Exception, match="users_one_system_user"):
            system_user_create(organization_id=organization_a.id, slug="other")


@pytest.mark.parametrize("slug", ["acme", "Acme", "a b", "", "-a", "ä"])
def test_slug_is_free_and_plain(slug, organization_a):
    with pytest.raises(ValidationError) as refusal:
        organization_create(name="x", slug=slug)
    assert set(refusal.value.message_dict) == {"slug"}


def test_update_writes_what_it_is_given(organization_a, tenant):
    with tenant(organization_a):
        stale = Organization.objects.get()
        organization_update(organization_a, description="new")
        organization_update(stale, settings={"timezone": "Asia/Tokyo"})
        fresh = Organization.objects.get()
    assert (fresh.description, fresh.timezone) == ("new", "Asia/Tokyo")


@pytest.mark.parametrize(
    "plan",
    [[], "x", {}, {"width_m": 1}, {"width_m": 1, "height_m": 0}, {"width_m": "1", "height_m": 1},
     {"width_m": True, "height_m": 1}, {"width_m": 1, "height_m": 1, "depth_m": 1},
     {"width_m": float("nan"), "height_m": 1}],
)  # fmt: skip
def test_floor_plan_has_two_sides(plan, organization_a, make_facility, tenant):
    facility = make_facility(organization_a, floor_plan={"width_m": 20, "height_m": 12.5})
    with tenant(organization_a):
        with pytest.raises(ValidationError) as refusal:
            facility_update(facility, floor_plan=plan)
        assert set(refusal.value.message_dict) == {"floor_plan"}
        assert Facility.objects.get().floor_plan == {"width_m": 20, "height_m": 12.5}


def test_timezone_of_a_facility(organization_a, make_facility, tenant):
    facility = make_facility(organization_a, timezone="Europe/Paris")
    with tenant(organization_a), pytest.raises(ValidationError):
        facility_update(facility, timezone="Europe/Nowhere")


def test_name_is_unique_in_an_organization(organization_a, organization_b, make_facility):
    make_facility(organization_a)
    make_facility(organization_b)
    with pytest.raises(ValidationError):
        make_facility(organization_a)


def test_ids_of_all_organizations_need_no_tenant(organization_a, organization_b):
    assert {organization_a.id, organization_b.id} <= set(organization_ids())


def test_sessions_are_forgotten_30_days_after_they_expired(
    organization_a, organization_b, alice, charlie, client_for, tenant
):
    for user in (alice, charlie):
        for _ in range(2):
            client_for(user)
    for organization in (organization_a, organization_b):
        with tenant(organization):
            rows = UserSession.objects.order_by("created_at", "id")
            for row, days in zip(rows, (29, 31), strict=True):
                UserSession.objects.filter(pk=row.pk).update(
                    expires_at=timezone.now() - timedelta(days=days)
                )
    with tenant(organization_a):
        assert clean_up_sessions() == 1
        assert UserSession.objects.count() == 1
    clean_up(0)
    with tenant(organization_b):
        assert UserSession.objects.count() == 1
