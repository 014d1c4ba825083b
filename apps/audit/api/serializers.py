from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.audit.models import AuditLog
from urfmp.common.api.serializers import ScopedModelSerializer


class HexField(serializers.Field):  # type: ignore[type-arg]
    """Bytes as hexadecimal digits."""

    def to_representation(self, value: Any) -> str:
        return bytes(value).hex()


class AuditLogSerializer(ScopedModelSerializer):
    api_key_id = serializers.UUIDField(read_only=True, allow_null=True)
    hash = extend_schema_field(serializers.CharField(allow_null=True))(HexField)(read_only=True)

    class Meta:
        model = AuditLog
        fields = (
            "id",
            "created_at",
            "action",
            "user",
            "api_key_id",
            "resource_type",
            "resource_id",
            "before",
            "after",
            "ip_address",
            "user_agent",
            "request_id",
            "request_data",
            "response_data",
            "success",
            "error_message",
            "seq",
            "hash",
        )
        read_only_fields = fields
