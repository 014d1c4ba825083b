"""Alerts through the API."""

from __future__ import annotations

from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.idempotency import IdempotentCreateMixin
from apps.accounts.models import User
from apps.alerts import services
from apps.alerts.choices import AlertSeverity, AlertType
from apps.alerts.models import Alert
from apps.robots.models import Robot
from urfmp.common.api.examples import body_example
from urfmp.common.api.filters import AwareDateTimeFilter, BooleanFilter
from urfmp.common.api.serializers import ScopedModelSerializer
from urfmp.common.api.viewsets import ReadViewSet


@body_example(
    "A hot controller",
    {
        "type": "system",
        "severity": "warning",
        "title": "Controller is hot",
        "message": "71 Cel, 60 is usual.",
        "source": "integration",
        "metadata": {"value": 71},
    },
)
class AlertSerializer(ScopedModelSerializer):
    class Meta:
        model = Alert
        fields = (
            "id",
            "robot",
            "type",
            "severity",
            "title",
            "message",
            "source",
            "metadata",
            "is_acknowledged",
            "acknowledged_by",
            "acknowledged_at",
            "is_resolved",
            "resolved_at",
            "created_at",
        )
        read_only_fields = (
            "id",
            "is_acknowledged",
            "acknowledged_by",
            "acknowledged_at",
            "is_resolved",
            "resolved_at",
            "created_at",
        )
        extra_kwargs = {"source": {"allow_blank": False}}


class AlertFilterSet(django_filters.FilterSet):
    robot = django_filters.UUIDFilter(field_name="robot_id")
    severity = django_filters.MultipleChoiceFilter(choices=AlertSeverity.choices)
    type = django_filters.ChoiceFilter(choices=AlertType.choices)
    is_acknowledged = BooleanFilter()
    is_resolved = BooleanFilter()
    created_after = AwareDateTimeFilter(field_name="created_at", lookup_expr="gte")
    created_before = AwareDateTimeFilter(field_name="created_at", lookup_expr="lt")


class AlertViewSet(IdempotentCreateMixin, ReadViewSet):
    """Alerts raised by robots, users and integrations."""

    model = Alert
    serializer_class = AlertSerializer
    filterset_class = AlertFilterSet
    permission_actions = {"acknowledge": "acknowledge", "resolve": "acknowledge"}

    def perform_create(self, serializer: Any) -> None:
        fields = dict(serializer.validated_data)
        if self.principal.robot_id is not None:
            # A key bound to a robot raises alerts of this robot only.
            fields["robot"] = Robot.objects.get(pk=self.principal.robot_id)
        serializer.instance = services.alert_create(
            organization_id=self.principal.organization_id, **fields
        )

    @extend_schema(request=None, responses=AlertSerializer)
    @action(detail=True, methods=["post"])
    def acknowledge(self, request: Request, pk: str) -> Response:
        """Acknowledge an alert."""
        return self._response(services.alert_acknowledge(self.get_object(), self._acting_user()))

    @extend_schema(request=None, responses=AlertSerializer)
    @action(detail=True, methods=["post"])
    def resolve(self, request: Request, pk: str) -> Response:
        """Resolve an alert."""
        return self._response(services.alert_resolve(self.get_object(), self._acting_user()))

    def _acting_user(self) -> User | None:
        return self.principal if isinstance(self.principal, User) else None

    def _response(self, alert: Alert) -> Response:
        return Response(self.get_serializer(alert).data)
