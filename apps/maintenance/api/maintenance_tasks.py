from __future__ import annotations

from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.idempotency import IdempotentCreateMixin
from apps.accounts.models import User
from apps.accounts.services.users import system_user_get
from apps.maintenance import services
from apps.maintenance.api.serializers import (
    CancellationSerializer,
    CompletionSerializer,
    MaintenanceTaskSerializer,
)
from apps.maintenance.choices import MaintenancePriority, MaintenanceStatus, MaintenanceType
from apps.maintenance.models import MaintenanceTask
from urfmp.common.api.etags import ETagMixin
from urfmp.common.api.filters import MomentFilter
from urfmp.common.api.viewsets import WriteViewSet


class MaintenanceTaskFilterSet(django_filters.FilterSet):
    robot = django_filters.UUIDFilter(field_name="robot_id")
    assigned_to = django_filters.UUIDFilter(field_name="assigned_to_id")
    status = django_filters.MultipleChoiceFilter(choices=MaintenanceStatus.choices)
    type = django_filters.ChoiceFilter(choices=MaintenanceType.choices)
    priority = django_filters.ChoiceFilter(choices=MaintenancePriority.choices)
    due_before = MomentFilter(field_name="due_at", lookup_expr="lt")


class MaintenanceTaskViewSet(ETagMixin, IdempotentCreateMixin, WriteViewSet):
    """Work on robots."""

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
        serializer.instance = services.task_create(
            organization_id=organization_id, created_by=author, **serializer.validated_data
        )

    def perform_update(self, serializer: Any) -> None:
        serializer.instance = services.task_update(serializer.instance, **serializer.validated_data)

    @extend_schema(request=None, responses=MaintenanceTaskSerializer)
    @action(detail=True, methods=["post"])
    def start(self, request: Request, pk: str) -> Response:
        """Begin, or go on after a pause."""
        return self._answer(services.task_start(self.get_object()))

    @extend_schema(request=CompletionSerializer, responses=MaintenanceTaskSerializer)
    @action(detail=True, methods=["post"])
    def complete(self, request: Request, pk: str) -> Response:
        """Finish a task that is under way."""
        task = self.get_object()
        body = CompletionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return self._answer(services.task_complete(task, body.validated_data.get("notes")))

    @extend_schema(request=CancellationSerializer, responses=MaintenanceTaskSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Give a task up."""
        task = self.get_object()
        body = CancellationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return self._answer(services.task_cancel(task, body.validated_data["reason"]))

    def _answer(self, task: MaintenanceTask) -> Response:
        return Response(self.get_serializer(task).data)
