"""Deliveries through the API."""

from __future__ import annotations

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.idempotency import IdempotentMixin
from apps.alerts.choices.notifications import DeliveryState
from apps.alerts.models import Delivery
from apps.alerts.services.notifications.deliveries import delivery_replay
from urfmp.common.api.filters import AwareDateTimeFilter
from urfmp.common.api.serializers import ScopedModelSerializer
from urfmp.common.api.viewsets import ReadViewSet


class DeliverySerializer(ScopedModelSerializer):
    class Meta:
        model = Delivery
        fields = (
            "id", "channel", "route", "alert", "notice", "severity", "address", "state", "attempts",
            "due_at", "held_reason", "response_code", "latency_ms", "last_error", "created_at",
            "first_attempt_at", "ended_at",
        )  # fmt: skip
        read_only_fields = fields
        extra_kwargs = {
            "id": {"help_text": "Also the `webhook-id` of its requests."},
            "alert": {"help_text": "Alert; null for a test."},
            "address": {
                "help_text": "Recipient of an e-mail or push message; empty for a webhook."
            },
            "due_at": {"help_text": "Time of the next attempt."},
            "held_reason": {"help_text": "Why it waits, or was cancelled."},
            "response_code": {"help_text": "Status of the latest answer."},
            "latency_ms": {"help_text": "Duration of the latest attempt in milliseconds."},
            "last_error": {"help_text": "Why the latest attempt failed."},
            "ended_at": {"help_text": "When it was delivered, cancelled or became a dead letter."},
        }


class DeliveryFilterSet(django_filters.FilterSet):
    channel = django_filters.UUIDFilter(field_name="channel_id")
    alert = django_filters.UUIDFilter(field_name="alert_id")
    state = django_filters.MultipleChoiceFilter(choices=DeliveryState.choices)
    created_after = AwareDateTimeFilter(field_name="created_at", lookup_expr="gte")
    created_before = AwareDateTimeFilter(field_name="created_at", lookup_expr="lt")


class DeliveryViewSet(IdempotentMixin, ReadViewSet):
    """Notifications that were sent or wait, kept for 90 days."""

    model = Delivery
    serializer_class = DeliverySerializer
    filterset_class = DeliveryFilterSet
    permission_actions = {"replay": "change"}

    @extend_schema(request=None, responses=DeliverySerializer)
    @action(detail=True, methods=["post"])
    def replay(self, request: Request, pk: str) -> Response:
        """Send a dead letter again."""
        return Response(self.get_serializer(delivery_replay(self.get_object())).data)
