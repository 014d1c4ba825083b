from __future__ import annotations

import django_filters

from apps.audit.api.serializers import AuditLogSerializer
from apps.audit.models import AuditLog
from urfmp.common.api.filters import BooleanFilter
from urfmp.common.api.viewsets import ReadViewSet


class AuditLogFilterSet(django_filters.FilterSet):
    action = django_filters.CharFilter()
    action_starts = django_filters.CharFilter(field_name="action", lookup_expr="startswith")
    user = django_filters.UUIDFilter(field_name="user_id")
    api_key = django_filters.UUIDFilter(field_name="api_key_id")
    resource_type = django_filters.CharFilter()
    resource_id = django_filters.UUIDFilter()
    request_id = django_filters.CharFilter()
    success = BooleanFilter()
    created_after = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    created_before = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")


class AuditLogViewSet(ReadViewSet):
    """The record: who did what, when, and what it changed."""

    model = AuditLog
    serializer_class = AuditLogSerializer
    filterset_class = AuditLogFilterSet
