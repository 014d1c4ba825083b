"""API keys in the API: create, change, rotate, revoke."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import django_filters
from drf_spectacular.utils import (
    OpenApiExample,
    extend_schema,
    extend_schema_field,
    extend_schema_view,
)
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.idempotency import IdempotentCreateMixin
from apps.accounts.models import ApiKey, User
from apps.accounts.models.line_protocol_mapping import JSON_SCHEMA, line_protocol_mapping_errors
from apps.accounts.permissions.grants import check_can_grant_scopes
from apps.accounts.permissions.roles import SCOPES
from apps.accounts.services import api_keys
from urfmp.common.api.etags import ETagMixin
from urfmp.common.api.filters import BooleanFilter
from urfmp.common.api.serializers import ScopedModelSerializer, StrictSerializer
from urfmp.common.api.viewsets import WriteViewSet

# On the operation, not on the serializer: an update cannot change the permissions.
_CREATE_EXAMPLE = OpenApiExample(
    "A key that sends telemetry",
    value={
        "name": "Line 3 gateway",
        "permissions": ["robots:read", "telemetry:write"],
        "rate_limit": 6000,
    },
    request_only=True,
)


@extend_schema_field(JSON_SCHEMA)
class LineProtocolMappingField(serializers.JSONField):
    def to_internal_value(self, data: Any) -> Any:
        value = super().to_internal_value(data)
        if errors := line_protocol_mapping_errors(value):
            raise serializers.ValidationError(errors)
        return value


class ApiKeySerializer(ScopedModelSerializer):
    permissions = serializers.ListField(child=serializers.ChoiceField(sorted(SCOPES)))
    allowed_networks = serializers.ListField(
        child=serializers.CharField(max_length=50),
        required=False,
        max_length=50,
        help_text="IP addresses and CIDR ranges, such as `192.0.2.0/24`, that may use the key.",
    )
    line_protocol_mapping = LineProtocolMappingField(required=False)
    key = serializers.SerializerMethodField(
        help_text="The API key itself. Returned only when the key is created or rotated."
    )

    class Meta:
        model = ApiKey
        fields = (
            "id",
            "name",
            "key",
            "key_prefix",
            "permissions",
            "robot",
            "rate_limit",
            "allowed_networks",
            "line_protocol_mapping",
            "replaces",
            "is_active",
            "last_used_at",
            "expires_at",
            "user",
            "created_at",
        )
        read_only_fields = (
            "id", "key_prefix", "replaces", "is_active", "last_used_at", "user", "created_at",
        )  # fmt: skip

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if self.instance is not None and (fixed := sorted(attrs.keys() & {"permissions", "robot"})):
            raise serializers.ValidationError(
                dict.fromkeys(fixed, "This field cannot be changed; create another API key.")
            )
        return attrs

    def get_key(self, row: ApiKey) -> str | None:
        key: str | None = getattr(row, "new_key", None)
        return key


class ApiKeyRotationSerializer(StrictSerializer):
    overlap_hours = serializers.IntegerField(
        default=24,
        min_value=0,
        max_value=720,
        help_text="Hours for which the old key remains valid.",
    )


class ApiKeyFilterSet(django_filters.FilterSet):
    robot = django_filters.UUIDFilter(field_name="robot_id")
    is_active = BooleanFilter()


@extend_schema(description="API keys. Deleting one revokes it; the row is kept.")
@extend_schema_view(create=extend_schema(examples=[_CREATE_EXAMPLE]))
class ApiKeyViewSet(ETagMixin, IdempotentCreateMixin, mixins.DestroyModelMixin, WriteViewSet):
    """API keys; deleting one revokes it."""

    etag_ignores = frozenset({"key", "last_used_at"})

    model = ApiKey
    serializer_class = ApiKeySerializer
    filterset_class = ApiKeyFilterSet
    permission_actions = {"rotate": "add"}
    step_up_actions = frozenset({"create", "partial_update", "rotate", "destroy"})
    summaries = {"destroy": "Revoke an API key", "rotate": "Replace an API key by a new one"}

    def _require_user(self) -> User:
        user = self.principal
        if not isinstance(user, User):
            raise PermissionDenied("API keys cannot manage API keys; log in as a user.")  # noqa: EM101
        return user

    def perform_create(self, serializer: Any) -> None:
        user = self._require_user()
        check_can_grant_scopes(user, serializer.validated_data["permissions"])
        row, key = api_keys.api_key_create(
            organization_id=user.organization_id, user=user, **serializer.validated_data
        )
        row.new_key = key  # type: ignore[attr-defined]
        serializer.instance = row

    def stored_response(self, data: Any) -> Any:
        return {**data, "key": None}

    def perform_update(self, serializer: Any) -> None:
        check_can_grant_scopes(self._require_user(), serializer.instance.permissions or ())
        serializer.instance = api_keys.api_key_update(
            serializer.instance, **serializer.validated_data
        )

    def perform_destroy(self, instance: ApiKey) -> None:
        api_keys.api_key_revoke(instance)

    @extend_schema(request=ApiKeyRotationSerializer, responses={201: ApiKeySerializer})
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, pk: str) -> Response:
        """Create a key that replaces this one, which expires after the overlap."""
        old = self.get_object()
        user = self._require_user()
        form = ApiKeyRotationSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        check_can_grant_scopes(user, old.permissions or ())
        overlap = timedelta(hours=form.validated_data["overlap_hours"])
        row, key = api_keys.api_key_rotate(old, user=user, overlap=overlap)
        row.new_key = key  # type: ignore[attr-defined]
        return Response(self.get_serializer(row).data, status=201)
