"""Maintenance tasks through the API."""

from __future__ import annotations

from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.idempotency import IdempotentCreateMixin
from apps.accounts.models import User
from apps.accounts.services.users import system_user_get
from apps.maintenance.choices import MaintenancePriority, MaintenanceStatus, MaintenanceType
from apps.maintenance.models import MaintenanceTask
from apps.maintenance.services.tasks import (
    task_cancel,
    task_complete,
    task_create,
    task_start,
    task_update,
)
from urfmp.common.api.etags import ETagMixin
from urfmp.common.api.examples import body_example
from urfmp.common.api.filters import AwareDateTimeFilter
from urfmp.common.api.serializers import ScopedModelSerializer, StrictSerializer
from urfmp.common.api.viewsets import WriteViewSet

_PART_TEXT = {"type": "string", "minLength": 1, "maxLength": 255}


@extend_schema_field(
    {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "part": {**_PART_TEXT, "description": "Part number."},
                "name": _PART_TEXT,
                "quantity": {"type": "number", "exclusiveMinimum": 0, "maximum": 1e6},
                "unit_cost": {"type": "number", "minimum": 0, "maximum": 1e6},
            },
            "required": ["name"],
            "additionalProperties": False,
        },
    }
)
class PartsField(serializers.JSONField):
    """List of the parts used."""


@body_example(
    "Grease the joints",
    {
        "title": "Grease joints 1 to 3",
        "type": "lubrication",
        "priority": "high",
        "scheduled_at": "2026-03-02T06:00:00+01:00",
        "estimated_duration": 45,
    },
)
class MaintenanceTaskSerializer(ScopedModelSerializer):
    parts_used = PartsField(required=False, allow_null=True)
    cost = serializers.DecimalField(
        max_digits=10, decimal_places=2, min_value=0, required=False, allow_null=True
    )

    class Meta:
        model = MaintenanceTask
        fields = (
            "id",
            "robot",
            "schedule",
            "title",
            "description",
            "type",
            "priority",
            "status",
            "assigned_to",
            "scheduled_at",
            "due_at",
            "started_at",
            "completed_at",
            "estimated_duration",
            "actual_duration",
            "cost",
            "parts_used",
            "notes",
            "created_by",
            "created_at",
            "updated_at",
        )
        read_only_fields = (
            "id",
            "schedule",
            "status",
            "started_at",
            "completed_at",
            "created_by",
            "created_at",
            "updated_at",
        )
        extra_kwargs = {"priority": {"allow_null": False}}


@body_example(
    "Notes on the work",
    {
        "notes": "Greased, no play found.",
    },
)
class CompletionSerializer(StrictSerializer):
    notes = serializers.CharField(required=False, allow_blank=True, max_length=10_000)


@body_example(
    "Reason",
    {
        "reason": "The robot is being replaced.",
    },
)
class CancellationSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=1000)


class MaintenanceTaskFilterSet(django_filters.FilterSet):
    robot = django_filters.UUIDFilter(field_name="robot_id")
    assigned_to = django_filters.UUIDFilter(field_name="assigned_to_id")
    status = django_filters.MultipleChoiceFilter(choices=MaintenanceStatus.choices)
    type = django_filters.ChoiceFilter(choices=MaintenanceType.choices)
    priority = django_filters.ChoiceFilter(choices=MaintenancePriority.choices)
    due_before = AwareDateTimeFilter(field_name="due_at", lookup_expr="lt")


class MaintenanceTaskViewSet(ETagMixin, IdempotentCreateMixin, WriteViewSet):
    """Maintenance tasks of the organization's robots."""

    model = MaintenanceTask
    serializer_class = MaintenanceTaskSerializer
    filterset_class = MaintenanceTaskFilterSet
    ordering = "due_at"
    ordering_fields = ("due_at", "scheduled_at", "created_at")
    permission_actions = {"start": "change", "complete": "change", "cancel": "change"}

    def perform_create(self, serializer: Any) -> None:
        user = self.principal
        organization_id = user.organization_id
        author = (
            user if isinstance(user, User) else system_user_get(organization_id=organization_id)
        )
        serializer.instance = task_create(
            organization_id=organization_id, created_by=author, **serializer.validated_data
        )

    def perform_update(self, serializer: Any) -> None:
        serializer.instance = task_update(serializer.instance, **serializer.validated_data)

    @extend_schema(request=None, responses=MaintenanceTaskSerializer)
    @action(detail=True, methods=["post"])
    def start(self, request: Request, pk: str) -> Response:
        """Start a task, or resume it after a pause."""
        return self._response(task_start(self.get_object()))

    @extend_schema(request=CompletionSerializer, responses=MaintenanceTaskSerializer)
    @action(detail=True, methods=["post"])
    def complete(self, request: Request, pk: str) -> Response:
        """Complete a task that is in progress."""
        task = self.get_object()
        body = CompletionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return self._response(task_complete(task, body.validated_data.get("notes")))

    @extend_schema(request=CancellationSerializer, responses=MaintenanceTaskSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Cancel a task."""
        task = self.get_object()
        body = CancellationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return self._response(task_cancel(task, body.validated_data["reason"]))

    def _response(self, task: MaintenanceTask) -> Response:
        return Response(self.get_serializer(task).data)
