"""Maintenance tasks through the API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.idempotency import IdempotentCreateMixin
from apps.accounts.models import User
from apps.accounts.services.users import system_user_get
from apps.maintenance.api.task_serializers import (
    CompletionSerializer,
    DurationCorrectionSerializer,
    LabourEntrySerializer,
    MaintenanceTaskFilterSet,
    MaintenanceTaskSerializer,
    MaintenanceTaskUpdateSerializer,
    TaskCommentSerializer,
    TaskEventSerializer,
    TaskReasonSerializer,
)
from apps.maintenance.models import MaintenanceTask
from apps.maintenance.selectors.events import task_timeline
from apps.maintenance.selectors.labour import task_labour
from apps.maintenance.services.tasks import (
    Findings,
    task_approve,
    task_cancel,
    task_comment,
    task_complete,
    task_correct_duration,
    task_create,
    task_hold,
    task_join,
    task_leave,
    task_reopen,
    task_resume,
    task_send_back,
    task_start,
    task_update,
)
from apps.robots.api.operators import author_of, require_user
from urfmp.common.api.etags import ETagMixin
from urfmp.common.api.serializers import StrictSerializer
from urfmp.common.api.viewsets import WriteViewSet


class MaintenanceTaskViewSet(ETagMixin, IdempotentCreateMixin, WriteViewSet):
    """Maintenance tasks of the organization's robots."""

    model = MaintenanceTask
    serializer_class = MaintenanceTaskSerializer
    filterset_class = MaintenanceTaskFilterSet
    ordering = "due_at"
    ordering_fields = ("due_at", "scheduled_at", "created_at")
    permission_actions = {
        "start": "change",
        "hold": "change",
        "resume": "change",
        "join": "change",
        "leave": "change",
        "complete": "change",
        "correct_duration": "change",
        "labour": "view",
        "approve": "approve",
        "send_back": "approve",
        "cancel": "change",
        "reopen": "change",
        "comment": "change",
        "events": "view",
    }

    def get_serializer_class(self) -> Any:
        """Return the fields of the action: a stored task keeps its template."""
        if self.action == "partial_update":
            return MaintenanceTaskUpdateSerializer
        return super().get_serializer_class()

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
        """Start a task."""
        return self._response(task_start(self.get_object(), author_of(self.principal)))

    @extend_schema(request=TaskReasonSerializer, responses=MaintenanceTaskSerializer)
    @action(detail=True, methods=["post"])
    def hold(self, request: Request, pk: str) -> Response:
        """Put a task that is in progress on hold.

        The task shows the reason until the work resumes.
        """
        task, reason = self.get_object(), self._reason()
        return self._response(task_hold(task, reason, author_of(self.principal)))

    @extend_schema(request=None, responses=MaintenanceTaskSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Resume a task that is on hold."""
        return self._response(task_resume(self.get_object(), author_of(self.principal)))

    @extend_schema(request=CompletionSerializer, responses=MaintenanceTaskSerializer)
    @action(detail=True, methods=["post"])
    def complete(self, request: Request, pk: str) -> Response:
        """Complete a task that is in progress.

        It waits for approval (`requires_approval`) if the organization's settings ask for it.
        """
        task = self.get_object()
        values = self._validated(CompletionSerializer)
        finished = task_complete(
            task,
            values.get("notes"),
            author_of(self.principal),
            actual_duration=values.get("actual_duration"),
            findings=Findings(
                failure=values.get("failure_code", ""),
                cause=values.get("cause_code", ""),
                remedy=values.get("remedy_code", ""),
            ),
        )
        return self._response(finished)

    @extend_schema(request=None, responses=MaintenanceTaskSerializer)
    @action(detail=True, methods=["post"])
    def join(self, request: Request, pk: str) -> Response:
        """Join the work on a task in progress.

        The time of the user counts too. Users only.
        """
        task = self.get_object()
        return self._response(task_join(task, require_user(self.principal)))

    @extend_schema(request=None, responses=MaintenanceTaskSerializer)
    @action(detail=True, methods=["post"])
    def leave(self, request: Request, pk: str) -> Response:
        """Leave the work on a task, which stays in progress.

        Users only.
        """
        task = self.get_object()
        return self._response(task_leave(task, require_user(self.principal)))

    @extend_schema(request=DurationCorrectionSerializer, responses=MaintenanceTaskSerializer)
    @action(detail=True, methods=["post"], url_path="correct-duration")
    def correct_duration(self, request: Request, pk: str) -> Response:
        """Correct the duration of a completed task."""
        task = self.get_object()
        values = self._validated(DurationCorrectionSerializer)
        corrected = task_correct_duration(
            task, values["actual_duration"], values["reason"], author_of(self.principal)
        )
        return self._response(corrected)

    @extend_schema(request=None, responses=MaintenanceTaskSerializer)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: str) -> Response:
        """Approve finished work, which completes the task.

        Users only. 403 `approval_by_author` for the user who finished the work.
        """
        task = self.get_object()
        return self._response(task_approve(task, require_user(self.principal)))

    @extend_schema(request=TaskReasonSerializer, responses=MaintenanceTaskSerializer)
    @action(detail=True, methods=["post"], url_path="send-back")
    def send_back(self, request: Request, pk: str) -> Response:
        """Send finished work back; the task is pending.

        Users only. 403 `approval_by_author` for the user who finished the work.
        """
        task = self.get_object()
        user, reason = require_user(self.principal), self._reason()
        return self._response(task_send_back(task, user, reason=reason))

    @extend_schema(request=TaskReasonSerializer, responses=MaintenanceTaskSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Cancel a task."""
        task, reason = self.get_object(), self._reason()
        return self._response(task_cancel(task, reason, author_of(self.principal)))

    @extend_schema(request=TaskReasonSerializer, responses=MaintenanceTaskSerializer)
    @action(detail=True, methods=["post"])
    def reopen(self, request: Request, pk: str) -> Response:
        """Reopen a completed task; it is pending.

        409 if its schedule has opened another task for the robot.
        """
        task, reason = self.get_object(), self._reason()
        return self._response(task_reopen(task, reason, author_of(self.principal)))

    @extend_schema(request=TaskCommentSerializer, responses=MaintenanceTaskSerializer)
    @action(detail=True, methods=["post"])
    def comment(self, request: Request, pk: str) -> Response:
        """Comment a task."""
        task = self.get_object()
        values = self._validated(TaskCommentSerializer)
        return self._response(task_comment(task, author_of(self.principal), **values))

    @extend_schema(
        responses=TaskEventSerializer(many=True),
        description="The task's events, newest first, at most 200.",
        filters=False,
    )
    @action(
        detail=True, methods=["get"], pagination_class=None, serializer_class=TaskEventSerializer
    )
    def events(self, request: Request, pk: str) -> Response:
        """Get a task's timeline."""
        return Response(self.get_serializer(task_timeline(self.get_object()), many=True).data)

    @extend_schema(
        responses=LabourEntrySerializer(many=True),
        description="The times in which users worked on the task, latest first, at most 500.",
        filters=False,
    )
    @action(
        detail=True, methods=["get"], pagination_class=None, serializer_class=LabourEntrySerializer
    )
    def labour(self, request: Request, pk: str) -> Response:
        """Get a task's labour entries."""
        return Response(self.get_serializer(task_labour(self.get_object()), many=True).data)

    def _reason(self) -> str:
        return str(self._validated(TaskReasonSerializer)["reason"])

    def _validated(self, serializer_class: type[StrictSerializer]) -> dict[str, Any]:
        serializer = serializer_class(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def _response(self, task: MaintenanceTask) -> Response:
        return Response(self.get_serializer(task).data)
