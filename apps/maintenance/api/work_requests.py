"""Work requests through the API."""

from __future__ import annotations

from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.idempotency import IdempotentCreateMixin
from apps.maintenance.choices import (
    MAX_REASON_CHARS,
    MaintenancePriority,
    WorkRequestStatus,
)
from apps.maintenance.models import WorkRequest
from apps.maintenance.services.work_requests import (
    MAX_DESCRIPTION_CHARS,
    work_request_accept,
    work_request_create,
    work_request_dismiss,
)
from apps.organizations.choices import MaintenanceType
from apps.robots.api.operators import author_of, require_user
from urfmp.common.api.examples import body_example
from urfmp.common.api.serializers import ScopedModelSerializer, StrictSerializer
from urfmp.common.api.viewsets import ReadViewSet


@body_example(
    "Oil below a joint",
    {
        "robot": "0b8a7c1e-31a5-4a0e-9c1b-3d5b8d6f1a01",
        "title": "Oil below joint 3",
        "description": "Since the early shift.",
    },
)
class WorkRequestSerializer(ScopedModelSerializer):
    description = serializers.CharField(
        max_length=MAX_DESCRIPTION_CHARS, required=False, allow_blank=True
    )

    class Meta:
        model = WorkRequest
        fields = (
            "id",
            "robot",
            "title",
            "description",
            "requester_name",
            "user",
            "status",
            "task",
            "reviewed_by",
            "reviewed_at",
            "reason",
            "created_at",
            "updated_at",
        )
        read_only_fields = (
            "id",
            "requester_name",
            "user",
            "status",
            "task",
            "reviewed_by",
            "reviewed_at",
            "reason",
            "created_at",
            "updated_at",
        )
        extra_kwargs = {
            "requester_name": {
                "help_text": "Name as entered without a login, which proves nothing."
            },
            "user": {"help_text": "User who reported it; null without a login."},
            "reason": {"help_text": "Why the request was dismissed."},
        }


@body_example("A corrective task", {"type": "corrective", "priority": "high"})
class AcceptanceSerializer(StrictSerializer):
    type = serializers.ChoiceField(
        choices=MaintenanceType.choices, default=MaintenanceType.CORRECTIVE
    )
    priority = serializers.ChoiceField(
        choices=MaintenancePriority.choices, default=MaintenancePriority.MEDIUM
    )


@body_example("Reason", {"reason": "Already repaired."})
class DismissalSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=MAX_REASON_CHARS)


class WorkRequestFilterSet(django_filters.FilterSet):
    robot = django_filters.UUIDFilter(field_name="robot_id")
    status = django_filters.MultipleChoiceFilter(choices=WorkRequestStatus.choices)


class WorkRequestViewSet(IdempotentCreateMixin, mixins.CreateModelMixin, ReadViewSet):
    """Problems of robots that wait for review, are accepted or dismissed."""

    model = WorkRequest
    serializer_class = WorkRequestSerializer
    filterset_class = WorkRequestFilterSet
    permission_actions = {"accept": "review", "dismiss": "review"}

    def perform_create(self, serializer: Any) -> None:
        serializer.instance = work_request_create(
            **serializer.validated_data, user=author_of(self.principal)
        )

    @extend_schema(request=AcceptanceSerializer, responses=WorkRequestSerializer)
    @action(detail=True, methods=["post"])
    def accept(self, request: Request, pk: str) -> Response:
        """Accept a work request, which creates a task.

        Users only.
        """
        row, user = self.get_object(), require_user(self.principal)
        work_request_accept(row, user, **self._validated(AcceptanceSerializer))
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=DismissalSerializer, responses=WorkRequestSerializer)
    @action(detail=True, methods=["post"])
    def dismiss(self, request: Request, pk: str) -> Response:
        """Dismiss a work request.

        Users only.
        """
        row, user = self.get_object(), require_user(self.principal)
        done = work_request_dismiss(row, user, **self._validated(DismissalSerializer))
        return Response(self.get_serializer(done).data)

    def _validated(self, serializer_class: type[StrictSerializer]) -> dict[str, Any]:
        serializer = serializer_class(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)
