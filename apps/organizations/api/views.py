from __future__ import annotations

from typing import Any

import django_filters
from rest_framework import mixins

from apps.accounts.api.idempotency import IdempotentCreateMixin
from apps.organizations import services
from apps.organizations.api.serializers import FacilitySerializer, OrganizationSerializer
from apps.organizations.models import Facility, Organization
from urfmp.common.api.etags import ETagMixin
from urfmp.common.api.viewsets import ReadViewSet, WriteViewSet


class OrganizationViewSet(ETagMixin, mixins.UpdateModelMixin, ReadViewSet):
    """The caller's organization."""

    model = Organization
    etag_ignores = frozenset({"updated_at", "usage"})
    serializer_class = OrganizationSerializer
    ordering = "name"
    ordering_fields = ("name",)

    def perform_update(self, serializer: Any) -> None:
        serializer.instance = services.organization_update(
            serializer.instance, **serializer.validated_data
        )


class FacilityFilterSet(django_filters.FilterSet):
    name = django_filters.CharFilter(lookup_expr="icontains")


class FacilityViewSet(ETagMixin, IdempotentCreateMixin, mixins.DestroyModelMixin, WriteViewSet):
    """Places in which robots stand."""

    model = Facility
    serializer_class = FacilitySerializer
    filterset_class = FacilityFilterSet
    ordering = "name"
    ordering_fields = ("name", "created_at")

    def perform_create(self, serializer: Any) -> None:
        serializer.instance = services.facility_create(
            organization_id=self.principal.organization_id, **serializer.validated_data
        )

    def perform_update(self, serializer: Any) -> None:
        serializer.instance = services.facility_update(
            serializer.instance, **serializer.validated_data
        )

    def perform_destroy(self, instance: Facility) -> None:
        services.facility_delete(instance)
