"""The audit log through the API."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from apps.audit.models import AuditLog
from apps.audit.services.export import CONTENT_TYPES, audit_export
from urfmp.common.api.filters import AwareDateTimeFilter, BooleanFilter
from urfmp.common.api.serializers import ScopedModelSerializer
from urfmp.common.api.viewsets import ReadViewSet, ScopedViewSet
from urfmp.common.http.downloads import DownloadResponse


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


class AuditLogFilterSet(django_filters.FilterSet):
    action = django_filters.CharFilter()
    action_starts = django_filters.CharFilter(field_name="action", lookup_expr="startswith")
    user = django_filters.UUIDFilter(field_name="user_id")
    api_key = django_filters.UUIDFilter(field_name="api_key_id")
    resource_type = django_filters.CharFilter()
    resource_id = django_filters.UUIDFilter()
    request_id = django_filters.CharFilter()
    success = BooleanFilter()
    created_after = AwareDateTimeFilter(field_name="created_at", lookup_expr="gte")
    created_before = AwareDateTimeFilter(field_name="created_at", lookup_expr="lt")


class _IgnoreAcceptHeader(DefaultContentNegotiation):
    """Ignore the Accept header: the parameter `format` selects the file's format."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class ExportFilterSet(AuditLogFilterSet):
    format = django_filters.ChoiceFilter(
        choices=[(kind, kind) for kind in CONTENT_TYPES], method="ignore"
    )

    byte_order_mark = BooleanFilter(
        method="ignore", label="Whether CSV begins with a byte order mark, as Excel requires"
    )

    def ignore(self, queryset: QuerySet[Any], name: str, value: object) -> QuerySet[Any]:
        """Return all rows: the parameter selects the file's form."""
        return queryset


class AuditExportViewSet(ScopedViewSet):
    """The audit log as a file."""

    model = AuditLog
    filterset_class = ExportFilterSet
    permission_actions = {"list": "export"}
    step_up_actions = frozenset({"list"})
    content_negotiation_class = _IgnoreAcceptHeader
    ordering_fields = ()
    pagination_class = None
    http_method_names = ["get", "options"]

    @extend_schema(
        summary="Export the audit log",
        operation_id="audit_log_export",
        description="The audit log as a file, in the order of the chain: CSV, or JSON lines with"
        " `format=jsonl`. Every export is itself audited.",
        responses={
            (200, kind.partition(";")[0]): OpenApiTypes.BINARY for kind in CONTENT_TYPES.values()
        },
    )
    def list(self, request: Request) -> HttpResponseBase:
        if unknown := {"cursor", "page_size", "ordering", "fields"} & set(request.query_params):
            raise ValidationError(dict.fromkeys(sorted(unknown), "Unknown parameter."))
        filters = {name: str(value) for name, value in request.query_params.items() if value}
        export = audit_export(
            self.filter_queryset(self.get_queryset()),
            organization_id=self.principal.organization_id,
            kind=filters.pop("format", "csv"),
            has_byte_order_mark=filters.pop("byte_order_mark", "true").lower() == "true",
            filters=filters,
        )
        return DownloadResponse(
            export.content, content_type=export.content_type, file_name=export.file_name
        )


class AuditLogViewSet(ReadViewSet):
    """The audit log: actions, their actors, and the changes they made."""

    model = AuditLog
    serializer_class = AuditLogSerializer
    filterset_class = AuditLogFilterSet
    summaries = {"list": "List the rows of the audit log", "retrieve": "Get a row of the audit log"}
