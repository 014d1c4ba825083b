from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.robots.api.json_fields import ConfigurationField, LocationField
from apps.robots.choices import ReportedStatus
from apps.robots.models import Robot, RobotCommand, RobotStatusHistory
from urfmp.common.api.datetimes import MomentField
from urfmp.common.api.examples import body_example
from urfmp.common.api.serializers import ScopedModelSerializer, StrictSerializer


@body_example(
    "An arm with six axes",
    {
        "name": "Welding 7",
        "vendor": "universal_robots",
        "model": "UR10e",
        "configuration": {"axes": 6, "payload": 12.5, "reach": 1300, "capabilities": ["welding"]},
        "location": {"area": "B2", "cell": "7", "coordinates": {"x_m": 12.5, "y_m": 4}},
    },
)
class RobotSerializer(ScopedModelSerializer):
    configuration = ConfigurationField(required=False)
    location = LocationField(required=False, allow_null=True)

    class Meta:
        model = Robot
        fields = (
            "id",
            "name",
            "vendor",
            "model",
            "serial_number",
            "firmware_version",
            "status",
            "lifecycle",
            "location",
            "configuration",
            "last_seen",
            "is_active",
            "version",
            "created_at",
            "updated_at",
        )
        read_only_fields = (
            "id",
            "status",
            "lifecycle",
            "last_seen",
            "is_active",
            "version",
            "created_at",
            "updated_at",
        )


class RobotCommandSerializer(ScopedModelSerializer):
    class Meta:
        model = RobotCommand
        fields = (
            "id",
            "robot",
            "user",
            "type",
            "payload",
            "priority",
            "status",
            "scheduled_at",
            "executed_at",
            "completed_at",
            "error_message",
            "result",
            "created_at",
        )
        read_only_fields = fields


class RobotStatusHistorySerializer(ScopedModelSerializer):
    class Meta:
        model = RobotStatusHistory
        fields = ("time", "robot_id", "status", "previous_status", "reason", "metadata")
        read_only_fields = fields


@body_example(
    "A protective stop",
    {
        "status": "stopped",
        "reason": "protective stop",
        "time": "2026-01-31T12:00:00Z",
        "metadata": {"code": "C153"},
    },
)
class StatusReportSerializer(StrictSerializer):
    status = serializers.ChoiceField(ReportedStatus.choices)
    reason = serializers.CharField(required=False, allow_blank=True, max_length=1000)
    time = MomentField(required=False, help_text="By the robot's clock.")
    metadata = serializers.DictField(required=False)


class ShownStatusSerializer(serializers.Serializer[Any]):
    status = serializers.CharField(help_text="What is shown; a latch or lock outranks the report.")
