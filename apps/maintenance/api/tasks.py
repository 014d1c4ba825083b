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
from apps.maintenance.choices import (
    MAX_COMMENT_CHARS,
    MAX_DURATION_MINUTES,
    MAX_REASON_CHARS,
    CauseCode,
    FailureCode,
    MaintenancePriority,
    MaintenanceStatus,
    MaintenanceType,
    RemedyCode,
)
from apps.maintenance.models import LabourEntry, MaintenanceTask, TaskEvent
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
    # Empty before the completion, and after planned work.
    failure_code = serializers.ChoiceField([("", "None"), *FailureCode.choices], read_only=True)
    cause_code = serializers.ChoiceField([("", "None"), *CauseCode.choices], read_only=True)
    remedy_code = serializers.ChoiceField([("", "None"), *RemedyCode.choices], read_only=True)

    class Meta:
        model = MaintenanceTask
        fields = (
            "id",
            "robot",
            "locks_robot",
            "schedule",
            "title",
            "description",
            "type",
            "priority",
            "status",
            "hold_reason",
            "assigned_to",
            "scheduled_at",
            "due_at",
            "started_at",
            "finished_at",
            "finished_by",
            "approved_by",
            "completed_at",
            "estimated_duration",
            "actual_duration",
            "failure_code",
            "cause_code",
            "remedy_code",
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
            "hold_reason",
            "started_at",
            "finished_at",
            "finished_by",
            "approved_by",
            "completed_at",
            "failure_code",
            "cause_code",
            "remedy_code",
            "created_by",
            "created_at",
            "updated_at",
        )
        extra_kwargs = {
            "priority": {"allow_null": False},
            "hold_reason": {"help_text": "What a task on hold waits for."},
            "finished_at": {"help_text": "End of the work, which may then wait for approval."},
            "finished_by": {"help_text": "User who finished the work; null for an API key."},
            "approved_by": {"help_text": "Second user who approved the finished work."},
        }


@body_example(
    "Notes on the work",
    {
        "notes": "Greased, no play found.",
    },
)
class CompletionSerializer(StrictSerializer):
    notes = serializers.CharField(required=False, allow_blank=True, max_length=10_000)
    actual_duration = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=MAX_DURATION_MINUTES,
        help_text="Minutes of work; default: the measured time without pauses.",
    )
    failure_code = serializers.ChoiceField(
        FailureCode.choices, required=False, help_text="Required for corrective and emergency work."
    )
    cause_code = serializers.ChoiceField(
        CauseCode.choices, required=False, help_text="Required for corrective and emergency work."
    )
    remedy_code = serializers.ChoiceField(
        RemedyCode.choices, required=False, help_text="Required for corrective and emergency work."
    )


@body_example(
    "Corrected duration",
    {
        "actual_duration": 45,
        "reason": "The timer ran over lunch.",
    },
)
class DurationCorrectionSerializer(StrictSerializer):
    actual_duration = serializers.IntegerField(
        min_value=0, max_value=MAX_DURATION_MINUTES, help_text="Minutes."
    )
    reason = serializers.CharField(max_length=MAX_REASON_CHARS)


class LabourEntrySerializer(ScopedModelSerializer):
    class Meta:
        model = LabourEntry
        fields = ("id", "user", "started_at", "ended_at")
        read_only_fields = fields
        extra_kwargs = {
            "user": {"help_text": "User who worked; null for an API key."},
            "ended_at": {"help_text": "Null while the user works."},
        }


@body_example(
    "Reason",
    {
        "reason": "The robot is being replaced.",
    },
)
class TaskReasonSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=MAX_REASON_CHARS)


@body_example(
    "Comment",
    {
        "text": "The grease nipple of joint 2 is bent.",
    },
)
class TaskCommentSerializer(StrictSerializer):
    text = serializers.CharField(max_length=MAX_COMMENT_CHARS)


class TaskEventSerializer(ScopedModelSerializer):
    class Meta:
        model = TaskEvent
        fields = ("id", "kind", "user", "text", "created_at")
        read_only_fields = fields
        extra_kwargs = {
            "user": {"help_text": "User who acted; null for an API key or the system."},
            "text": {"help_text": "The reason, the note or the comment."},
        }


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
