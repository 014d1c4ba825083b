"""API at which robots report on the commands that they were handed."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.idempotency import IdempotentMixin
from apps.robots.api.device import DeviceView
from apps.robots.choices import CommandOutcome, CommandStatus
from apps.robots.models import RobotCommand
from apps.robots.services.commands.reports import (
    MAX_MESSAGE_CHARS,
    MAX_PROGRESS_TEXT_CHARS,
    command_acknowledge,
    command_report_progress,
    command_report_result,
)
from urfmp.common.api.examples import body_example
from urfmp.common.api.serializers import StrictSerializer


class AcknowledgementSerializer(StrictSerializer):
    """An acknowledgement has no fields."""


@body_example("Halfway", {"progress": 50, "text": "Placing part 6 of 12"})
class ProgressSerializer(StrictSerializer):
    progress = serializers.IntegerField(
        required=False, allow_null=True, min_value=0, max_value=100, help_text="In percent."
    )
    text = serializers.CharField(
        required=False,
        allow_null=True,
        allow_blank=True,
        max_length=MAX_PROGRESS_TEXT_CHARS,
        help_text="Step that the robot executes.",
    )


@body_example("Done", {"outcome": "completed", "output": {"parts": 12}})
class ResultSerializer(StrictSerializer):
    outcome = serializers.ChoiceField(
        CommandOutcome.choices, help_text="`rejected` if the robot did not begin."
    )
    output = serializers.DictField(required=False, allow_null=True)
    error_message = serializers.CharField(
        required=False, allow_null=True, allow_blank=True, max_length=MAX_MESSAGE_CHARS
    )


class ReportedCommandSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    status = serializers.ChoiceField(CommandStatus.choices)


class DeviceCommandView(IdempotentMixin, DeviceView):
    """Reports of a robot on one of its commands."""

    model = RobotCommand
    device_permission = "robots.add_robotcommand"
    device_scope = "commands:write"
    report_class: ClassVar[type[StrictSerializer]]

    def _report(self, request: Request) -> dict[str, Any]:
        report = self.report_class(data=request.data)
        report.is_valid(raise_exception=True)
        return dict(report.validated_data)

    def _response(self, command: RobotCommand) -> Response:
        return Response(ReportedCommandSerializer(command).data)


class DeviceCommandAcknowledgeView(DeviceCommandView):
    report_class = AcknowledgementSerializer

    @extend_schema(
        request=AcknowledgementSerializer,
        responses=ReportedCommandSerializer,
        summary="Acknowledge a command",
        description="Send this before the command is executed. Do not execute it if the response"
        " is an error.",
        operation_id="device_command_acknowledge",
    )
    def post(self, request: Request, command_id: UUID) -> Response:
        """Store that the robot has received a command."""
        self._report(request)
        return self._response(
            command_acknowledge(robot_id=self.principal.robot_id, command_id=command_id)
        )


class DeviceCommandProgressView(DeviceCommandView):
    report_class = ProgressSerializer

    @extend_schema(
        request=ProgressSerializer,
        responses=ReportedCommandSerializer,
        summary="Report the progress of a command",
        operation_id="device_command_progress",
    )
    def post(self, request: Request, command_id: UUID) -> Response:
        """Store how far the robot is."""
        report = self._report(request)
        return self._response(
            command_report_progress(
                robot_id=self.principal.robot_id,
                command_id=command_id,
                progress=report.get("progress"),
                text=report.get("text"),
            )
        )


class DeviceCommandResultView(DeviceCommandView):
    report_class = ResultSerializer

    @extend_schema(
        request=ResultSerializer,
        responses=ReportedCommandSerializer,
        summary="Report the result of a command",
        description="A repeated report of the same outcome changes nothing, so it is safe to send"
        " it until a response arrives.",
        operation_id="device_command_result",
    )
    def post(self, request: Request, command_id: UUID) -> Response:
        """Store the outcome of a command."""
        report = self._report(request)
        return self._response(
            command_report_result(
                robot_id=self.principal.robot_id,
                command_id=command_id,
                outcome=report["outcome"],
                output=report.get("output"),
                error_message=report.get("error_message"),
            )
        )
