from __future__ import annotations

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.maintenance.models import MaintenanceTask
from urfmp.common.api.examples import body_example
from urfmp.common.api.serializers import ScopedModelSerializer, StrictSerializer

_PART_TEXT = {"type": "string", "minLength": 1, "maxLength": 255}


@extend_schema_field(
    {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "part": {**_PART_TEXT, "description": "Its number."},
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
    """What was put in."""


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
            "status",
            "started_at",
            "completed_at",
            "created_by",
            "created_at",
            "updated_at",
        )
        extra_kwargs = {"priority": {"allow_null": False}}


@body_example(
    "What was done",
    {
        "notes": "Greased, no play found.",
    },
)
class CompletionSerializer(StrictSerializer):
    notes = serializers.CharField(required=False, allow_blank=True, max_length=10_000)


@body_example(
    "Why not",
    {
        "reason": "The robot is being replaced.",
    },
)
class CancellationSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=1000)
