"""Fields, bodies and filters of maintenance tasks in the API."""

from __future__ import annotations

import django_filters
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.maintenance.choices import (
    MAX_COMMENT_CHARS,
    MAX_DURATION_MINUTES,
    MAX_REASON_CHARS,
    CauseCode,
    FailureCode,
    MaintenancePriority,
    MaintenanceStatus,
    RemedyCode,
)
from apps.maintenance.models import LabourEntry, MaintenanceTask, TaskEvent
from apps.organizations.choices import MaintenanceType
from urfmp.common.api.examples import body_example
from urfmp.common.api.filters import AwareDateTimeFilter
from urfmp.common.api.serializers import ScopedModelSerializer, StrictSerializer

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
            "template",
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
        read_only_fields: tuple[str, ...] = (
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


class MaintenanceTaskUpdateSerializer(MaintenanceTaskSerializer):
    class Meta(MaintenanceTaskSerializer.Meta):
        # The steps of the template were copied when the task was created.
        read_only_fields = (*MaintenanceTaskSerializer.Meta.read_only_fields, "template")


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
