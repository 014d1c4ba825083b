from __future__ import annotations

from rest_framework import serializers

from apps.maintenance.models import MaintenanceTask
from urfmp.common.api.examples import body_example
from urfmp.common.api.serializers import ScopedModelSerializer, StrictSerializer


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
