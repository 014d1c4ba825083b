from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from apps.organizations.models import Facility
from apps.organizations.services.facilities import facility_update


@pytest.mark.parametrize(
    "plan",
    [[], "x", {}, {"width_m": 1}, {"width_m": 1, "height_m": 0}, {"width_m": "1", "height_m": 1},
     {"width_m": True, "height_m": 1}, {"width_m": 1, "height_m": 1, "depth_m": 1},
     {"width_m": float("nan"), "height_m": 1}],
)  # fmt: skip
def test_invalid_floor_plan_is_rejected(plan, organization_a, make_facility, tenant):
    facility = make_facility(organization_a, floor_plan={"width_m": 20, "height_m": 12.5})
    with tenant(organization_a):
        with pytest.raises(ValidationError) as raised:
            facility_update(facility, floor_plan=plan)
        assert set(raised.value.message_dict) == {"floor_plan"}
        assert Facility.objects.get().floor_plan == {"width_m": 20, "height_m": 12.5}


def test_facility_with_invalid_timezone_is_rejected(organization_a, make_facility, tenant):
    facility = make_facility(organization_a, timezone="Europe/Paris")
    with tenant(organization_a), pytest.raises(ValidationError):
        facility_update(facility, timezone="Europe/Nowhere")


def test_facility_name_is_unique_per_organization(organization_a, organization_b, make_facility):
    make_facility(organization_a)
    make_facility(organization_b)
    with pytest.raises(ValidationError):
        make_facility(organization_a)
