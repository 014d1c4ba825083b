"""All organizations through the API, for super admins."""

from __future__ import annotations

from typing import Any

import django_filters
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.idempotency import IdempotentCreateMixin, IdempotentMixin
from apps.accounts.auth.requests import (
    current_session,
    get_active_organization,
    set_active_organization,
)
from apps.organizations.choices import MAX_PLAN_LIMIT, Plan
from apps.organizations.models import PlatformOrganization
from apps.organizations.services import platform
from urfmp.common.api.examples import body_example
from urfmp.common.api.filters import BooleanFilter
from urfmp.common.api.serializers import ScopedModelSerializer, StrictSerializer
from urfmp.common.api.viewsets import PrincipalView, ReadViewSet
from urfmp.common.http.view_policy import view_policy


def _limit_field() -> serializers.IntegerField:
    return serializers.IntegerField(
        min_value=0,
        max_value=MAX_PLAN_LIMIT,
        allow_null=True,
        required=False,
        help_text="For the plan `custom`; null means no limit.",
    )


@body_example("A custom plan", {"plan": "custom", "robot_limit": 40, "user_limit": None})
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
        help_text="Address of the first admin, who receives an invitation.",
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


class PlatformOrganizationFilterSet(django_filters.FilterSet):
    name = django_filters.CharFilter(lookup_expr="icontains")
    slug = django_filters.CharFilter()
    plan = django_filters.ChoiceFilter(choices=Plan.choices)
    is_active = BooleanFilter()


@view_policy(home_organization=True)
class PlatformOrganizationViewSet(IdempotentCreateMixin, ReadViewSet):
    """All organizations of the platform, for super admins."""

    model = PlatformOrganization
    serializer_class = PlatformOrganizationSerializer
    filterset_class = PlatformOrganizationFilterSet
    summaries = {
        "list": "List all organizations of the platform",
        "retrieve": "Get any organization",
    }
    ordering = "name"
    ordering_fields = ("name", "created_at", "robot_count", "user_count", "api_key_count")

    def perform_create(self, serializer: Any) -> None:
        organization = platform.organization_onboard(**serializer.validated_data)
        serializer.instance = PlatformOrganization.objects.get(pk=organization.pk)


@view_policy(home_organization=True)
class OrganizationSwitchView(IdempotentMixin, PrincipalView):
    """The organization that a super admin works in during this session."""

    model = PlatformOrganization

    @extend_schema(
        request=ChoiceSerializer,
        responses=ChosenSerializer,
        summary="Select the organization to work in",
        operation_id="auth_choose_organization",
        description="Select the organization that this session works in; null returns to the"
        " platform. For super admins; both audit logs contain each selection.",
    )
    def post(self, request: Request) -> Response:
        form = ChoiceSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        plain, wanted = request._request, form.validated_data["organization"]  # noqa: SLF001
        chosen, session = get_active_organization(plain), current_session(plain)
        if wanted is not None:
            rows = PlatformOrganization.objects.restrict(self.principal)
            organization = get_object_or_404(rows, pk=wanted)
            chosen = platform.organization_switch(session, organization, active=chosen)
            set_active_organization(plain, chosen)
        elif chosen is not None:
            platform.organization_switch_back(session, chosen)
            set_active_organization(plain, chosen := None)
        return Response({"organization": chosen and {"id": chosen.id, "name": chosen.name}})
