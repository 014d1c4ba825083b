"""API keys through the API: create, change, rotate, revoke."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.idempotency import IdempotentCreateMixin
from apps.accounts.models import ApiKey, User
from apps.accounts.models.line_protocol_mapping import JSON_SCHEMA, mapping_faults
from apps.accounts.permissions.grants import check_scopes
from apps.accounts.permissions.roles import SCOPES
from apps.accounts.services import api_keys
from urfmp.common.api.etags import ETagMixin
from urfmp.common.api.examples import body_example
from urfmp.common.api.filters import BooleanFilter
from urfmp.common.api.serializers import ScopedModelSerializer, StrictSerializer
from urfmp.common.api.viewsets import WriteViewSet


@body_example(
    "A key that sends telemetry",
    {
        "name": "Line 3 gateway",
        "permissions": ["robots:read", "telemetry:write"],
        "rate_limit": 6000,
    },
)
@extend_schema_field(JSON_SCHEMA)
class LineMappingField(serializers.JSONField):
    def to_internal_value(self, data: Any) -> Any:
        value = super().to_internal_value(data)
        if faults := mapping_faults(value):
            raise serializers.ValidationError(faults)
        return value


class ApiKeySerializer(ScopedModelSerializer):
    permissions = serializers.ListField(child=serializers.ChoiceField(sorted(SCOPES)))
    allowed_networks = serializers.ListField(
        child=serializers.CharField(max_length=50),
        required=False,
        max_length=50,
        help_text="Addresses and networks, as in `192.0.2.0/24`, from which the key is taken.",
    )
    line_protocol_mapping = LineMappingField(required=False)
    key = serializers.SerializerMethodField(
        help_text="The key itself: in the answer to its creation, never again."
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
                dict.fromkeys(fixed, "This stays as it is; make another key.")
            )
        return attrs

    def get_key(self, row: ApiKey) -> str | None:
        key: str | None = getattr(row, "shown_once", None)
        return key


class RotationSerializer(StrictSerializer):
    overlap_hours = serializers.IntegerField(
        default=24, min_value=0, max_value=720, help_text="How long the old key goes on working."
    )


class ApiKeyFilterSet(django_filters.FilterSet):
    robot = django_filters.UUIDFilter(field_name="robot_id")
    is_active = BooleanFilter()


@extend_schema(description="Keys of machines. Deleting one revokes it; the row stays.")
class ApiKeyViewSet(ETagMixin, IdempotentCreateMixin, mixins.DestroyModelMixin, WriteViewSet):
    """Keys of machines; deleting one revokes it."""

    etag_ignores = frozenset({"key", "last_used_at"})

    model = ApiKey
    serializer_class = ApiKeySerializer
    filterset_class = ApiKeyFilterSet
    permission_actions = {"rotate": "add"}
    step_up_actions = frozenset({"create", "partial_update", "rotate"})

    def _person(self) -> User:
        user = self.principal
        if not isinstance(user, User):
            raise PermissionDenied("Only a person makes keys.")  # noqa: EM101
        return user

    def perform_create(self, serializer: Any) -> None:
        user = self._person()
        check_scopes(user, serializer.validated_data["permissions"])
        row, key = api_keys.api_key_create(
            organization_id=user.organization_id, user=user, **serializer.validated_data
        )
        row.shown_once = key  # type: ignore[attr-defined]
        serializer.instance = row

    def kept_answer(self, data: Any) -> Any:
        return {**data, "key": None}

    def perform_update(self, serializer: Any) -> None:
        check_scopes(self._person(), serializer.instance.permissions or ())
        serializer.instance = api_keys.api_key_update(
            serializer.instance, **serializer.validated_data
        )

    def perform_destroy(self, instance: ApiKey) -> None:
        api_keys.api_key_revoke(instance)

    @extend_schema(request=RotationSerializer, responses={201: ApiKeySerializer})
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, pk: str) -> Response:
        """Make the key's successor; both work until the overlap is over."""
        old = self.get_object()
        user = self._person()
        given = RotationSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        check_scopes(user, old.permissions or ())
        overlap = timedelta(hours=given.validated_data["overlap_hours"])
        row, key = api_keys.api_key_rotate(old, user=user, overlap=overlap)
        row.shown_once = key  # type: ignore[attr-defined]
        return Response(self.get_serializer(row).data, status=201)
