"""Routes through the API."""

from __future__ import annotations

from typing import Any

import django_filters
from rest_framework import mixins, serializers

from apps.accounts.api.idempotency import IdempotentCreateMixin
from apps.alerts.api.notifications.fields import severities_field, types_field
from apps.alerts.choices.notifications import MAX_MINUTES
from apps.alerts.models import NotificationChannel, NotificationRoute
from apps.alerts.services.notifications.routes import (
    Step,
    route_create,
    route_delete,
    route_update,
)
from urfmp.common.api.etags import ETagMixin
from urfmp.common.api.examples import body_example
from urfmp.common.api.filters import BooleanFilter
from urfmp.common.api.serializers import (
    ScopedModelSerializer,
    ScopedRelatedField,
    StrictSerializer,
)
from urfmp.common.api.viewsets import WriteViewSet


class RouteStepSerializer(StrictSerializer):
    channel = ScopedRelatedField(queryset=NotificationChannel.objects.all())
    after_minutes = serializers.IntegerField(
        default=0,
        min_value=0,
        max_value=MAX_MINUTES,
        help_text="0 notifies at once; later steps only if the alert is not acknowledged.",
    )


@body_example(
    "Critical alerts, with an escalation",
    {
        "name": "Critical",
        "severities": ["critical"],
        "steps": [
            {"channel": "5f0c8f0e-54a2-4b3e-9a53-0d6c0c4a7e10", "after_minutes": 0},
            {"channel": "d7a1d5a0-7c52-4c9c-8f6b-4e8f0d3c1b22", "after_minutes": 15},
        ],
        "repeat_minutes": 30,
    },
)
class RouteSerializer(ScopedModelSerializer):
    severities = severities_field()
    types = types_field()
    steps = RouteStepSerializer(many=True)

    class Meta:
        model = NotificationRoute
        fields = (
            "id", "name", "position", "severities", "types", "facility", "hours", "continues",
            "group_wait_seconds", "group_interval_seconds", "repeat_minutes", "steps",
            "is_enabled", "created_at", "updated_at",
        )  # fmt: skip
        read_only_fields = ("id", "created_at", "updated_at")

    def to_service(self) -> dict[str, Any]:
        """Return the service's keyword arguments."""
        values = dict(self.validated_data)
        if "steps" in values:
            values["steps"] = [Step(**step) for step in values["steps"]]
        return values


class RouteFilterSet(django_filters.FilterSet):
    is_enabled = BooleanFilter()


class RouteViewSet(ETagMixin, IdempotentCreateMixin, mixins.DestroyModelMixin, WriteViewSet):
    """Routes that send alerts to channels."""

    model = NotificationRoute
    serializer_class = RouteSerializer
    filterset_class = RouteFilterSet
    ordering = "position"
    ordering_fields = ("position", "name", "created_at")

    def get_queryset(self) -> Any:
        return super().get_queryset().prefetch_related("steps")

    def perform_create(self, serializer: Any) -> None:
        serializer.instance = route_create(
            organization_id=self.principal.organization_id, **serializer.to_service()
        )

    def perform_update(self, serializer: Any) -> None:
        serializer.instance = route_update(serializer.instance, **serializer.to_service())

    def perform_destroy(self, instance: NotificationRoute) -> None:
        route_delete(instance)
