"""The principal's organization through the API."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.idempotency import IdempotentMixin
from apps.accounts.services.quotas import RESOURCES, quota_usage
from apps.organizations.api.platform import (
    PlanSerializer,
)
from apps.organizations.models import Organization
from apps.organizations.models.settings import (
    CHANGES_JSON_SCHEMA,
    JSON_SCHEMA,
    RETENTION_SETTINGS,
    merged_settings,
    parse_settings,
    settings_change_errors,
)
from apps.organizations.services import organizations, platform, scheduled_settings
from urfmp.common.api.etags import ETagMixin
from urfmp.common.api.examples import body_example
from urfmp.common.api.filters import BooleanFilter
from urfmp.common.api.serializers import ScopedModelSerializer
from urfmp.common.api.viewsets import ReadViewSet
from urfmp.common.security.recent_auth import require_recent_user_auth


@extend_schema_field(CHANGES_JSON_SCHEMA)
class SettingsField(serializers.JSONField):
    """Settings, or changes of some; errors are reported by key."""

    def to_internal_value(self, data: Any) -> Any:
        if errors := settings_change_errors(data):
            raise serializers.ValidationError(errors)
        return data


@extend_schema_field(
    {
        "type": ["object", "null"],
        "properties": {name: JSON_SCHEMA["properties"][name] for name in RETENTION_SETTINGS},
        "additionalProperties": False,
    }
)
class ScheduledSettingsField(serializers.JSONField):
    """Settings that take effect later."""


class UsageSerializer(serializers.Serializer[Any]):
    resource = serializers.ChoiceField(RESOURCES)
    used = serializers.IntegerField()
    limit = serializers.IntegerField(allow_null=True, help_text="Null means no limit.")


@body_example(
    "Another timezone",
    {
        "settings": {"timezone": "Europe/Berlin"},
    },
)
class OrganizationSerializer(ScopedModelSerializer):
    settings = SettingsField(
        required=False,
        help_text="A change keeps the settings that it does not name, and null resets one to its"
        " default. A shorter retention is scheduled for the next day.",
    )
    scheduled_settings = ScheduledSettingsField(
        read_only=True,
        help_text="Settings that replace the current ones at `scheduled_settings_at`.",
    )
    usage = serializers.SerializerMethodField(help_text="Usage and limits of the plan.")

    class Meta:
        model = Organization
        fields = (
            "id",
            "name",
            "slug",
            "description",
            "settings",
            "scheduled_settings",
            "scheduled_settings_at",
            "plan",
            "usage",
            "is_active",
            "created_at",
            "updated_at",
        )
        read_only_fields = (
            "id", "slug", "scheduled_settings_at", "plan", "is_active", "created_at", "updated_at",
        )  # fmt: skip

    @extend_schema_field(UsageSerializer(many=True))
    def get_usage(self, organization: Organization) -> list[dict[str, Any]]:
        return [asdict(usage) for usage in quota_usage(organization)]


class OrganizationFilterSet(django_filters.FilterSet):
    name = django_filters.CharFilter(lookup_expr="icontains")
    slug = django_filters.CharFilter()
    is_active = BooleanFilter()


class OrganizationViewSet(ETagMixin, IdempotentMixin, mixins.UpdateModelMixin, ReadViewSet):
    """The principal's organization; for super admins, the selected one."""

    model = Organization
    etag_ignores = frozenset({"updated_at", "usage"})
    serializer_class = OrganizationSerializer
    filterset_class = OrganizationFilterSet
    summaries = {
        "deactivate": "Deactivate an organization",
        "cancel_scheduled_settings": "Cancel the scheduled settings",
    }
    ordering = "name"
    ordering_fields = ("name",)
    permission_actions = {
        "set_plan": "administer",
        "deactivate": "administer",
        "reactivate": "administer",
        "cancel_scheduled_settings": "change",
    }
    step_up_actions = frozenset({"deactivate", "reactivate"})

    @extend_schema(request=PlanSerializer, responses=OrganizationSerializer)
    @action(detail=True, methods=["post"], url_path="set-plan")
    def set_plan(self, request: Request, pk: str) -> Response:
        """Change the plan and its limits. For super admins."""
        organization = self.get_object()
        form = PlanSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        return self._response(platform.organization_set_plan(organization, **form.validated_data))

    @extend_schema(request=None, responses=OrganizationSerializer)
    @action(detail=True, methods=["post"])
    def deactivate(self, request: Request, pk: str) -> Response:
        """Revoke all sessions, tokens, keys and streams at once. For super admins."""
        return self._response(platform.organization_deactivate(self.get_object()))

    @extend_schema(request=None, responses=OrganizationSerializer)
    @action(detail=True, methods=["post"])
    def reactivate(self, request: Request, pk: str) -> Response:
        """Reactivate the organization. For super admins."""
        return self._response(platform.organization_reactivate(self.get_object()))

    @extend_schema(request=None, responses=OrganizationSerializer)
    @action(detail=True, methods=["post"], url_path="cancel-scheduled-settings")
    def cancel_scheduled_settings(self, request: Request, pk: str) -> Response:
        """Cancel the scheduled settings, such as a shorter retention."""
        return self._response(scheduled_settings.scheduled_settings_cancel(self.get_object()))

    def _response(self, organization: Organization) -> Response:
        return Response(self.get_serializer(organization).data)

    def perform_update(self, serializer: Any) -> None:
        organization, changes = serializer.instance, dict(serializer.validated_data)
        if (settings_changes := changes.pop("settings", None)) is not None:
            after = parse_settings(merged_settings(organization.settings, settings_changes))
            if organization.effective_settings.is_weakened_by(after):
                require_recent_user_auth(self.request._request)  # noqa: SLF001
        serializer.instance = organizations.organization_update(
            organization, settings_changes=settings_changes, **changes
        )
