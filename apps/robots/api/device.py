"""API for robots, which use keys bound to them."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.idempotency import IdempotentMixin
from apps.robots.choices import ReportedStatus
from apps.robots.models import RobotStatusHistory
from apps.robots.services import status
from urfmp.common.api.datetimes import AwareDateTimeField
from urfmp.common.api.examples import body_example
from urfmp.common.api.serializers import StrictSerializer
from urfmp.common.api.viewsets import PrincipalView


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
    time = AwareDateTimeField(required=False, help_text="Time of the robot's clock.")
    metadata = serializers.DictField(required=False)


class ShownStatusSerializer(serializers.Serializer[Any]):
    status = serializers.CharField(
        help_text="Effective status; a stop latch or maintenance lock outranks the report."
    )


class DeviceView(PrincipalView):
    """A view for keys that are bound to a robot.

    Attributes:
        device_permission: Django's permission that the key needs.
        device_scope: Scope that includes it.
    """

    device_permission: ClassVar[str]
    device_scope: ClassVar[str]

    def check_permissions(self, request: Request) -> None:
        """Require a key with the scope that is bound to a robot."""
        if not self.principal.is_authenticated:
            self.permission_denied(request)
        is_robot = getattr(self.principal, "robot_id", None) is not None
        if not is_robot or not self.principal.has_perm(self.device_permission):
            msg = f"Use a key bound to a robot, with the scope {self.device_scope}."
            raise PermissionDenied(msg)


class DeviceStatusView(IdempotentMixin, DeviceView):
    """Status reports of a robot."""

    model = RobotStatusHistory
    device_permission = "telemetry.write_robottelemetry"
    device_scope = "telemetry:write"

    @extend_schema(
        request=StatusReportSerializer,
        responses=ShownStatusSerializer,
        description="For a key bound to a robot, with the scope telemetry:write.",
        summary="Report the robot's status",
        operation_id="device_status",
    )
    def post(self, request: Request) -> Response:
        report = StatusReportSerializer(data=request.data)
        report.is_valid(raise_exception=True)
        values = report.validated_data
        robot = status.robot_report_status(
            robot_id=self.principal.robot_id,
            status=values["status"],
            reason=values.get("reason"),
            robot_time=values.get("time"),
            metadata=values.get("metadata"),
        )
        return Response({"status": robot.status})
