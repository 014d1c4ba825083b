from __future__ import annotations

from apps.audit.models import AuditLog
from urfmp.common.api.serializers import ScopedModelSerializer


class AuditLogSerializer(ScopedModelSerializer):
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
        )
        read_only_fields = fields
