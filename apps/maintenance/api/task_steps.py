"""Checklists of tasks through the API."""

from __future__ import annotations

from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.idempotency import IdempotentMixin
from apps.maintenance.api.task_serializers import MaintenanceTaskSerializer
from apps.maintenance.choices import MAX_STEP_TEXT_CHARS, StepKind, StepOutcome
from apps.maintenance.models import TaskStep
from apps.maintenance.services.tasks import StepEntry, task_step_follow_up, task_step_record
from apps.robots.api.operators import author_of
from urfmp.common.api.etags import ETagMixin
from urfmp.common.api.examples import body_example
from urfmp.common.api.serializers import ScopedModelSerializer, StrictSerializer
from urfmp.common.api.viewsets import ReadViewSet


class TaskStepSerializer(ScopedModelSerializer):
    class Meta:
        model = TaskStep
        fields = (
            "id",
            "task",
            "position",
            "title",
            "kind",
            "unit",
            "minimum",
            "maximum",
            "is_required",
            "outcome",
            "number",
            "text",
            "recorded_at",
            "recorded_by",
            "follow_up",
            "version",
        )
        read_only_fields = fields
        extra_kwargs = {
            "outcome": {"help_text": "Null until the step is recorded."},
            "number": {"help_text": "Number or meter reading, in the unit."},
            "recorded_by": {"help_text": "User who recorded it; null for an API key."},
            "follow_up": {"help_text": "Task that was opened because the step failed."},
            "version": {"help_text": "Number of entries, 0 before the first one."},
        }


@body_example("A measured value", {"number": "0.120", "version": 0})
class StepEntrySerializer(StrictSerializer):
    outcome = serializers.ChoiceField(
        StepOutcome.choices, required=False, help_text="For pass or fail."
    )
    number = serializers.DecimalField(
        max_digits=15,
        decimal_places=3,
        required=False,
        help_text="For a number, which fails outside its limits, and for a meter reading.",
    )
    text = serializers.CharField(
        max_length=MAX_STEP_TEXT_CHARS, required=False, help_text="For a text."
    )
    version = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=2**31 - 1,
        help_text="Version of the step that you have read. If it has another one now, nothing is"
        " changed and the response is 409 `step_conflict`.",
    )


class TaskStepFilterSet(django_filters.FilterSet):
    task = django_filters.UUIDFilter(field_name="task_id")
    kind = django_filters.MultipleChoiceFilter(choices=StepKind.choices)
    outcome = django_filters.ChoiceFilter(choices=StepOutcome.choices)


class TaskStepViewSet(ETagMixin, IdempotentMixin, ReadViewSet):
    """Steps of tasks' checklists, and what was recorded for them."""

    model = TaskStep
    serializer_class = TaskStepSerializer
    filterset_class = TaskStepFilterSet
    ordering = "position"
    ordering_fields = ("position", "recorded_at")
    permission_actions = {"record": "change", "follow_up": "change"}

    @extend_schema(request=StepEntrySerializer, responses=TaskStepSerializer)
    @action(detail=True, methods=["post"])
    def record(self, request: Request, pk: str) -> Response:
        """Record a step of a task in progress.

        A photo step is recorded by a file: `POST /task-files`.
        """
        step = self.get_object()
        body = StepEntrySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        values: dict[str, Any] = dict(body.validated_data)
        version = values.pop("version", None)
        recorded = task_step_record(
            step, StepEntry(**values), author_of(self.principal), version=version
        )
        return Response(self.get_serializer(recorded).data)

    @extend_schema(request=None, responses={201: MaintenanceTaskSerializer})
    @action(detail=True, methods=["post"], url_path="follow-up")
    def follow_up(self, request: Request, pk: str) -> Response:
        """Open a follow-up task for a failed step."""
        created = task_step_follow_up(self.get_object(), author_of(self.principal))
        context = self.get_serializer_context()
        return Response(MaintenanceTaskSerializer(created, context=context).data, status=201)
