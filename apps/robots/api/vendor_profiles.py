"""Vendor profiles through the API."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.robots.choices import CommandType, ConnectionProtocol, ConnectionSecret
from apps.robots.models import Robot
from apps.robots.selectors.profiles import VENDOR_PROFILES
from apps.robots.selectors.profiles.definitions import RobotKind, VendorProfile
from urfmp.common.api.viewsets import PrincipalView


class RobotModelSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    axes = serializers.IntegerField(allow_null=True)
    payload_kg = serializers.FloatField(allow_null=True, help_text="Rated payload.")
    reach_mm = serializers.FloatField(allow_null=True, help_text="Maximum reach.")


class ProfileMetricSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    unit = serializers.CharField(help_text="UCUM code.")
    minimum = serializers.FloatField(allow_null=True, help_text="Proposed lower limit.")
    maximum = serializers.FloatField(allow_null=True, help_text="Proposed upper limit.")


class EndpointSerializer(serializers.Serializer[Any]):
    protocol = serializers.ChoiceField(ConnectionProtocol.choices)
    port = serializers.IntegerField(allow_null=True, help_text="Usual port.")


class VendorProfileSerializer(serializers.Serializer[Any]):
    vendor = serializers.CharField()
    name = serializers.CharField()
    kind = serializers.ChoiceField([(kind.value, kind.value) for kind in RobotKind])
    models = RobotModelSerializer(many=True)
    command_types = serializers.ListField(child=serializers.ChoiceField(CommandType.choices))
    metrics = ProfileMetricSerializer(many=True)
    endpoints = EndpointSerializer(many=True)
    secrets = serializers.ListField(child=serializers.ChoiceField(ConnectionSecret.choices))


class VendorProfileListSerializer(serializers.Serializer[Any]):
    results = VendorProfileSerializer(many=True)


def _fields(profile: VendorProfile) -> dict[str, Any]:
    return {
        "vendor": profile.vendor,
        "name": profile.name,
        "kind": profile.kind,
        "models": profile.models,
        "command_types": [kind for kind in CommandType if kind in profile.command_types],
        "metrics": profile.metrics,
        "endpoints": profile.endpoints,
        "secrets": profile.secrets,
    }


class VendorProfileListView(PrincipalView):
    """What the platform knows about the robots of each vendor."""

    model: ClassVar[type[Robot]] = Robot

    @extend_schema(
        operation_id="vendor_profiles_list",
        summary="List vendor profiles",
        description="Model catalogue, supported command types, usual metrics with proposed limits,"
        " and protocols of each vendor. A vendor that is missing here has the profile `custom`."
        " The list is complete and has no pages.",
        responses=VendorProfileListSerializer,
    )
    def get(self, request: Request) -> Response:
        """Return the profile of every vendor."""
        profiles = [_fields(profile) for profile in VENDOR_PROFILES.values()]
        return Response(VendorProfileListSerializer({"results": profiles}).data)
