from __future__ import annotations

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.accounts.services.quotas import RESOURCES, usage_of
from apps.organizations.choices import Plan
from apps.organizations.models import Facility, Organization, PlatformOrganization
from apps.organizations.settings_schema import JSON_SCHEMA, settings_faults
from urfmp.common.api.examples import body_example
from urfmp.common.api.serializers import ScopedModelSerializer, StrictSerializer


@extend_schema_field(JSON_SCHEMA)
class SettingsField(serializers.JSONField):
    """The settings as a whole; a fault is told under the key that it is of."""

    def to_internal_value(self, data: Any) -> Any:
        if faults := settings_faults(data):
            raise serializers.ValidationError(faults)
        return data


_METRES = {"type": "number", "exclusiveMinimum": 0, "maximum": 1e6}


@extend_schema_field(
    {
        "type": "object",
        "description": "The drawing area, in metres.",
        "properties": {"width_m": _METRES, "height_m": _METRES},
        "required": ["width_m", "height_m"],
        "additionalProperties": False,
    }
)
class FloorPlanField(serializers.JSONField):
    """What a facility's floor is drawn on."""


class UsageSerializer(serializers.Serializer[Any]):
    resource = serializers.ChoiceField(RESOURCES)
    used = serializers.IntegerField()
    limit = serializers.IntegerField(allow_null=True, help_text="Null: any number.")


@body_example(
    "Another timezone",
    {
        "settings": {"timezone": "Europe/Berlin"},
    },
)
class OrganizationSerializer(ScopedModelSerializer):
    settings = SettingsField(required=False, help_text="Replaced as a whole.")
    usage = serializers.SerializerMethodField(help_text="What is in use, and what the plan allows.")

    class Meta:
        model = Organization
        fields = (
            "id",
            "name",
            "slug",
            "description",
            "settings",
            "plan",
            "usage",
            "is_active",
            "created_at",
            "updated_at",
        )
        read_only_fields = ("id", "slug", "plan", "is_active", "created_at", "updated_at")

    @extend_schema_field(UsageSerializer(many=True))
    def get_usage(self, organization: Organization) -> list[dict[str, Any]]:
        return [asdict(usage) for usage in usage_of(organization)]


def _limit_field() -> serializers.IntegerField:
    return serializers.IntegerField(
        min_value=0,
        max_value=2_147_483_647,
        allow_null=True,
        required=False,
        help_text="Of the plan `custom`; null for any number.",
    )


@body_example("A plan of its own", {"plan": "custom", "robot_limit": 40, "user_limit": None})
class PlanSerializer(StrictSerializer):
    plan = serializers.ChoiceField(Plan.choices)
    robot_limit = _limit_field()
    user_limit = _limit_field()
    api_key_limit = _limit_field()


class PlatformOrganizationSerializer(ScopedModelSerializer):
    admin_email = serializers.EmailField(
        write_only=True,
        required=False,
        max_length=255,
        help_text="Of its first admin, who gets an invitation.",
    )
    plan = serializers.ChoiceField(Plan.choices, default=Plan.FREE)

    class Meta:
        model = PlatformOrganization
        fields = (
            "id",
            "name",
            "slug",
            "plan",
            "is_active",
            "robot_count",
            "user_count",
            "api_key_count",
            "created_at",
            "admin_email",
        )
        read_only_fields = (
            "id",
            "is_active",
            "robot_count",
            "user_count",
            "api_key_count",
            "created_at",
        )


class ChoiceSerializer(StrictSerializer):
    organization = serializers.UUIDField(allow_null=True)


class ChosenOrganizationSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()


class ChosenSerializer(serializers.Serializer[Any]):
    organization = ChosenOrganizationSerializer(allow_null=True)


@body_example(
    "A hall in Berlin",
    {
        "name": "Hall 2",
        "timezone": "Europe/Berlin",
        "floor_plan": {"width_m": 80, "height_m": 45.5},
    },
)
class FacilitySerializer(ScopedModelSerializer):
    floor_plan = FloorPlanField(required=False, allow_null=True)

    class Meta:
        model = Facility
        fields = ("id", "name", "timezone", "floor_plan", "created_at", "updated_at")
        read_only_fields = ("id", "created_at", "updated_at")
