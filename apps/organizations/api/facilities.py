"""Facilities through the API."""

from __future__ import annotations

from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema_field
from rest_framework import mixins, serializers

from apps.accounts.api.idempotency import IdempotentCreateMixin
from apps.organizations.api.floor_plans import FloorPlanActions
from apps.organizations.models import Facility
from apps.organizations.services import facilities
from urfmp.common.api.etags import ETagMixin
from urfmp.common.api.examples import body_example
from urfmp.common.api.serializers import ScopedModelSerializer
from urfmp.common.api.viewsets import WriteViewSet

_METRES = {"type": "number", "exclusiveMinimum": 0, "maximum": 1e6}


@extend_schema_field(
    {
        "type": "object",
        "description": "Size of the drawing area, in metres.",
        "properties": {"width_m": _METRES, "height_m": _METRES},
        "required": ["width_m", "height_m"],
        "additionalProperties": False,
    }
)
class FloorPlanField(serializers.JSONField):
    """Drawing area of a facility."""


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


class FacilityFilterSet(django_filters.FilterSet):
    name = django_filters.CharFilter(lookup_expr="icontains")


class FacilityViewSet(
    FloorPlanActions, ETagMixin, IdempotentCreateMixin, mixins.DestroyModelMixin, WriteViewSet
):
    """Facilities of the organization."""

    model = Facility
    serializer_class = FacilitySerializer
    filterset_class = FacilityFilterSet
    ordering = "name"
    ordering_fields = ("name", "created_at")
    permission_actions = FloorPlanActions.floor_plan_permissions

    def perform_create(self, serializer: Any) -> None:
        serializer.instance = facilities.facility_create(
            organization_id=self.principal.organization_id, **serializer.validated_data
        )

    def perform_update(self, serializer: Any) -> None:
        serializer.instance = facilities.facility_update(
            serializer.instance, **serializer.validated_data
        )

    def perform_destroy(self, instance: Facility) -> None:
        facilities.facility_delete(instance)
