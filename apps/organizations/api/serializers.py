from __future__ import annotations

from apps.organizations.models import Facility, Organization
from urfmp.common.api.serializers import ScopedModelSerializer


class OrganizationSerializer(ScopedModelSerializer):
    class Meta:
        model = Organization
        fields = (
            "id",
            "name",
            "slug",
            "description",
            "settings",
            "plan",
            "is_active",
            "created_at",
            "updated_at",
        )
        read_only_fields = ("id", "slug", "plan", "is_active", "created_at", "updated_at")


class FacilitySerializer(ScopedModelSerializer):
    class Meta:
        model = Facility
        fields = ("id", "name", "timezone", "floor_plan", "created_at", "updated_at")
        read_only_fields = ("id", "created_at", "updated_at")
