from __future__ import annotations

from typing import Any

import django_filters
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.idempotency import IdempotentCreateMixin, IdempotentMixin
from apps.accounts.permissions.active_organization import chosen_organization
from apps.organizations.api.serializers import (
    ChoiceSerializer,
    ChosenSerializer,
    FacilitySerializer,
    OrganizationSerializer,
    PlanSerializer,
    PlatformOrganizationSerializer,
)
from apps.organizations.choices import Plan
from apps.organizations.models import Facility, Organization, PlatformOrganization
from apps.organizations.services import organizations, platform
from urfmp.common.api.etags import ETagMixin
from urfmp.common.api.filters import BooleanFilter
from urfmp.common.api.viewsets import PrincipalView, ReadViewSet, WriteViewSet
from urfmp.common.http.view_flags import acts_at_home


class OrganizationFilterSet(django_filters.FilterSet):
    name = django_filters.CharFilter(lookup_expr="icontains")
    slug = django_filters.CharFilter()
    is_active = BooleanFilter()


class OrganizationViewSet(ETagMixin, IdempotentMixin, mixins.UpdateModelMixin, ReadViewSet):
    """The caller's organization; a super admin's is the one that they have chosen."""

    model = Organization
    etag_ignores = frozenset({"updated_at", "usage"})
    serializer_class = OrganizationSerializer
    filterset_class = OrganizationFilterSet
    ordering = "name"
    ordering_fields = ("name",)
    permission_actions = {
        "set_plan": "administer",
        "deactivate": "administer",
        "reactivate": "administer",
    }
    step_up_actions = frozenset({"deactivate"})

    @extend_schema(request=PlanSerializer, responses=OrganizationSerializer)
    @action(detail=True, methods=["post"], url_path="set-plan")
    def set_plan(self, request: Request, pk: str) -> Response:
        """Change what may be in use. For super admins."""
        organization = self.get_object()
        form = PlanSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        return self._answer(platform.organization_set_plan(organization, **form.validated_data))

    @extend_schema(request=None, responses=OrganizationSerializer)
    @action(detail=True, methods=["post"])
    def deactivate(self, request: Request, pk: str) -> Response:
        """End its sign-ins, tokens, keys and streams at once. For super admins."""
        return self._answer(platform.organization_deactivate(self.get_object()))

    @extend_schema(request=None, responses=OrganizationSerializer)
    @action(detail=True, methods=["post"])
    def reactivate(self, request: Request, pk: str) -> Response:
        """Let it work again. For super admins."""
        return self._answer(platform.organization_reactivate(self.get_object()))

    def _answer(self, organization: Organization) -> Response:
        return Response(self.get_serializer(organization).data)

    def perform_update(self, serializer: Any) -> None:
        serializer.instance = organizations.organization_update(
            serializer.instance, **serializer.validated_data
        )


class PlatformOrganizationFilterSet(django_filters.FilterSet):
    name = django_filters.CharFilter(lookup_expr="icontains")
    slug = django_filters.CharFilter()
    plan = django_filters.ChoiceFilter(choices=Plan.choices)
    is_active = BooleanFilter()


@acts_at_home
class PlatformOrganizationViewSet(IdempotentCreateMixin, ReadViewSet):
    """The platform's organizations, for its super admins."""

    model = PlatformOrganization
    serializer_class = PlatformOrganizationSerializer
    filterset_class = PlatformOrganizationFilterSet
    ordering = "name"
    ordering_fields = ("name", "created_at", "robot_count", "user_count", "api_key_count")

    def perform_create(self, serializer: Any) -> None:
        organization = platform.organization_open(**serializer.validated_data)
        serializer.instance = PlatformOrganization.objects.get(pk=organization.pk)


@acts_at_home
class ChooseOrganizationView(IdempotentMixin, PrincipalView):
    """In which organization a super admin works with this sign-in."""

    model = PlatformOrganization

    @extend_schema(
        request=ChoiceSerializer,
        responses=ChosenSerializer,
        operation_id="auth_choose_organization",
        description="Choose the organization that this sign-in works in, or none with null. For"
        " super admins; each choice is in the record of the platform and of the organization.",
    )
    def post(self, request: Request) -> Response:
        form = ChoiceSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        plain, wanted = request._request, form.validated_data["organization"]  # noqa: SLF001
        if wanted is not None:
            rows = PlatformOrganization.objects.restrict(self.principal)
            platform.organization_choose(plain, get_object_or_404(rows, pk=wanted))
        elif chosen_organization(plain) is not None:
            platform.organization_leave(plain)
        chosen = chosen_organization(plain)
        return Response({"organization": chosen and {"id": chosen.id, "name": chosen.name}})


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
        serializer.instance = organizations.facility_create(
            organization_id=self.principal.organization_id, **serializer.validated_data
        )

    def perform_update(self, serializer: Any) -> None:
        serializer.instance = organizations.facility_update(
            serializer.instance, **serializer.validated_data
        )

    def perform_destroy(self, instance: Facility) -> None:
        organizations.facility_delete(instance)
