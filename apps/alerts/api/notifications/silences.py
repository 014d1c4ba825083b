"""Silences through the API."""

from __future__ import annotations

from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.idempotency import IdempotentCreateMixin
from apps.accounts.models import User
from apps.alerts.api.notifications.fields import severities_field, types_field
from apps.alerts.models import Silence
from apps.alerts.services.notifications.silences import (
    silence_create,
    silence_end,
    silence_update,
)
from urfmp.common.api.etags import ETagMixin
from urfmp.common.api.examples import body_example
from urfmp.common.api.filters import AwareDateTimeFilter
from urfmp.common.api.serializers import ScopedModelSerializer
from urfmp.common.api.viewsets import WriteViewSet


@body_example(
    "Planned work in a facility",
    {
        "reason": "Power is off for the new feeder.",
        "severities": ["info", "warning"],
        "facility": "a3bb189e-8bf9-4888-9912-ace4e6543002",
        "ends_at": "2030-06-01T16:00:00Z",
    },
)
class SilenceSerializer(ScopedModelSerializer):
    severities = severities_field()
    types = types_field()

    class Meta:
        model = Silence
        fields = (
            "id", "severities", "types", "facility", "robot", "starts_at", "ends_at", "reason",
            "created_by", "created_at",
        )  # fmt: skip
        read_only_fields = ("id", "created_by", "created_at")
        extra_kwargs = {
            "starts_at": {"required": False, "help_text": "Start; default: now."},
            "ends_at": {"help_text": "End; alerts that are still open are notified then."},
        }


class SilenceFilterSet(django_filters.FilterSet):
    robot = django_filters.UUIDFilter(field_name="robot_id")
    ends_after = AwareDateTimeFilter(field_name="ends_at", lookup_expr="gt")


class SilenceViewSet(ETagMixin, IdempotentCreateMixin, WriteViewSet):
    """Silences that hold notifications back."""

    model = Silence
    serializer_class = SilenceSerializer
    filterset_class = SilenceFilterSet
    ordering = "-ends_at"
    ordering_fields = ("ends_at", "starts_at", "created_at")
    permission_actions = {"end": "change"}

    def perform_create(self, serializer: Any) -> None:
        if self.principal.robot_id is not None:
            msg = "API keys of robots cannot create silences."
            raise PermissionDenied(msg)
        user = self.principal if isinstance(self.principal, User) else None
        serializer.instance = silence_create(
            organization_id=self.principal.organization_id,
            created_by=user,
            **serializer.validated_data,
        )

    def perform_update(self, serializer: Any) -> None:
        serializer.instance = silence_update(serializer.instance, **serializer.validated_data)

    @extend_schema(
        request=None,
        responses=SilenceSerializer,
        description="Ends the silence now; one that has not started ends before its start.",
    )
    @action(detail=True, methods=["post"])
    def end(self, request: Request, pk: str) -> Response:
        """End a silence."""
        return Response(self.get_serializer(silence_end(self.get_object())).data)
