"""Commands through the API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import django_filters
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import transaction
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import as_serializer_error

from apps.accounts.api.idempotency import RequiredIdempotencyMixin
from apps.accounts.models import User
from apps.robots.api.nested import RobotNestedViewSet
from apps.robots.api.operators import (
    OperatorMixin,
    author_of,
    controlled_robot,
    controlled_robots,
    require_user,
)
from apps.robots.choices import (
    MAX_LIFETIME,
    STOP_REQUEST_NOTICE,
    CommandPriority,
    CommandStatus,
    CommandType,
)
from apps.robots.models import Robot, RobotCommand
from apps.robots.protocols.commands.payloads import PAYLOADS
from apps.robots.services.commands.approvals import command_approve, command_reject
from apps.robots.services.commands.creation import command_create
from apps.robots.services.commands.decisions import MAX_NOTE_CHARS, command_cancel, command_settle
from apps.robots.services.commands.stop_requests import stop_requests_create
from urfmp.common.api.datetimes import AwareDateTimeField
from urfmp.common.api.examples import body_example
from urfmp.common.api.filters import AwareDateTimeFilter
from urfmp.common.api.serializers import ScopedModelSerializer, StrictSerializer
from urfmp.common.api.viewsets import ReadViewSet
from urfmp.common.exceptions import ApplicationError

MAX_ROBOTS_PER_REQUEST = 500
_CREATION = (
    "Motion commands (start, resume, move_to_position, run_program, calibrate, set_speed) need an"
    " online robot without another motion command in flight, and take its control for the user for"
    " 5 minutes. 409 names what prevents the command: `stop_latched`, `maintenance_locked`,"
    " `robot_offline`, `robot_emergency_stop`, `motion_in_flight`, `lease_held` (with `holder` and"
    " `expires_at`), `robot_retired` or `too_many_commands`. The same is"
    " checked again before the robot gets the command; it is then `rejected`. Firmware updates, and"
    " resets after a stop request, wait for a second user (`pending_approval`) if the organization"
    f" requires it. Type `emergency_stop` creates a stop request. {STOP_REQUEST_NOTICE}"
)


class RobotCommandSerializer(ScopedModelSerializer):
    class Meta:
        model = RobotCommand
        fields = (
            "id",
            "robot",
            "user",
            "api_key",
            "type",
            "payload",
            "priority",
            "status",
            "scheduled_at",
            "expires_at",
            "approval_due_at",
            "approved_by",
            "sent_at",
            "acknowledged_at",
            "executed_at",
            "progress",
            "progress_text",
            "completed_at",
            "cancelled_by",
            "settled_by",
            "error_message",
            "result",
            "version",
            "created_at",
        )
        read_only_fields = fields


@extend_schema_field(
    {
        "type": "object",
        "description": "Fields of the type.",
        "anyOf": [
            {**fields.schema(), "title": command_type.value}
            for command_type, fields in PAYLOADS.items()
        ],
    }
)
class PayloadField(serializers.DictField):
    """Payload of a command."""


@body_example(
    "Move the joints slowly",
    {
        "type": "move_to_position",
        "payload": {"joints_rad": [0, -1.57, 1.57, 0, 0, 0], "speed_percent": 20},
        "expires_in": 20,
    },
)
class CommandCreationSerializer(StrictSerializer):
    type = serializers.ChoiceField(CommandType.choices)
    payload = PayloadField(required=False)
    priority = serializers.ChoiceField(CommandPriority.choices, default=CommandPriority.NORMAL)
    scheduled_at = AwareDateTimeField(
        required=False, help_text="Not handed over before; at most 30 days ahead."
    )
    expires_in = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=int(MAX_LIFETIME.total_seconds()),
        help_text="Seconds until it expires, counted by the server from now or from"
        " `scheduled_at`. Motion: 30 by default, at most 300; other types: 600, at most 86,400.",
    )


@body_example(
    "Pause two robots",
    {
        "robots": [
            "0b0f2f0e-6c0f-4c57-9a4e-4d5c7d0a3b11",
            "5a3f8a52-1c1e-4f0c-8f4b-0d8c9c7b6a22",
        ],
        "type": "pause",
    },
)
class CommandsCreationSerializer(CommandCreationSerializer):
    robots = serializers.ListField(
        child=serializers.UUIDField(), min_length=1, max_length=MAX_ROBOTS_PER_REQUEST
    )


class CommandErrorSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    detail = serializers.CharField()
    errors = serializers.DictField(  # type: ignore[assignment]
        required=False, help_text="Messages by field."
    )


class CommandCreationResultSerializer(serializers.Serializer[Any]):
    robot = serializers.UUIDField()
    command = RobotCommandSerializer(allow_null=True)
    error = CommandErrorSerializer(allow_null=True)


class CommandsCreationResultSerializer(serializers.Serializer[Any]):
    results = CommandCreationResultSerializer(many=True)


@body_example("Reason", {"reason": "The part is not in place."})
class CommandReasonSerializer(StrictSerializer):
    reason = serializers.CharField(required=False, allow_blank=True, max_length=MAX_NOTE_CHARS)


@body_example("Seen at the robot", {"outcome": "failed", "note": "The robot did not move."})
class SettlementSerializer(StrictSerializer):
    outcome = serializers.ChoiceField(["completed", "failed"])
    note = serializers.CharField(max_length=MAX_NOTE_CHARS)


class RobotCommandListFilterSet(django_filters.FilterSet):
    type = django_filters.ChoiceFilter(choices=CommandType.choices)
    status = django_filters.MultipleChoiceFilter(choices=CommandStatus.choices)
    created_from = AwareDateTimeFilter(field_name="created_at", lookup_expr="gte")
    created_before = AwareDateTimeFilter(field_name="created_at", lookup_expr="lt")


class RobotCommandFilterSet(RobotCommandListFilterSet):
    robot = django_filters.UUIDFilter(field_name="robot_id")
    user = django_filters.UUIDFilter(field_name="user_id")


def _create(robot: Robot, user: User | None, values: dict[str, Any]) -> RobotCommand:
    """Create the command of a request for one robot."""
    if values["type"] == CommandType.EMERGENCY_STOP:
        reason = values.get("payload", {}).get("reason", "")
        return stop_requests_create(robots=[robot], user=user, reason=reason)[0]
    seconds = values.get("expires_in")
    return command_create(
        robot=robot,
        user=user,
        type=values["type"],
        payload=values.get("payload"),
        priority=values["priority"],
        scheduled_at=values.get("scheduled_at"),
        lifetime=None if seconds is None else timedelta(seconds=seconds),
    )


def _error(error: ApplicationError | DjangoValidationError) -> dict[str, Any]:
    if isinstance(error, ApplicationError):
        return {"code": error.code, "detail": error.message}
    return {
        "code": "invalid",
        "detail": "Some fields are invalid.",
        "errors": as_serializer_error(error),
    }


class RobotCommandViewSet(OperatorMixin, RequiredIdempotencyMixin, ReadViewSet):
    """Commands of all robots."""

    model = RobotCommand
    serializer_class = RobotCommandSerializer
    filterset_class = RobotCommandFilterSet
    permission_actions = {
        "cancel": "add",
        "approve": "add",
        "reject": "add",
        "settle": "add",
    }
    idempotency_required_actions = frozenset({"create"})
    summaries = {"create": "Create a command for each of several robots"}

    @extend_schema(
        request=CommandsCreationSerializer,
        responses={200: CommandsCreationResultSerializer},
        description=f"Each robot has its own result. {_CREATION}",
    )
    def create(self, request: Request) -> Response:
        self.require_idempotency_key(request)
        body = CommandsCreationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user = author_of(self.principal)
        found = controlled_robots(self.principal, body.validated_data["robots"])
        wanted = dict.fromkeys(body.validated_data["robots"])
        # Robots are locked in the order of their ids, as everywhere, and reported as requested.
        results = {
            robot_id: self._create_for(robot_id, found.get(robot_id), user, body.validated_data)
            for robot_id in sorted(wanted)
        }
        ordered = {"results": [results[robot_id] for robot_id in wanted]}
        return Response(CommandsCreationResultSerializer(ordered).data)

    def _create_for(
        self, robot_id: UUID, robot: Robot | None, user: User | None, values: dict[str, Any]
    ) -> dict[str, Any]:
        """Create the command of one of several robots, in a savepoint."""
        command, error = None, None
        if robot is None:
            error = {"code": "not_found", "detail": "Not found."}
        else:
            try:
                with transaction.atomic():
                    command = _create(robot, user, values)
            except (ApplicationError, DjangoValidationError) as failure:
                error = _error(failure)
        return {"robot": robot_id, "command": command, "error": error}

    @extend_schema(request=CommandReasonSerializer, responses=RobotCommandSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Cancel a command that was not handed over."""
        command = self.get_object()
        reason = self._reason(request)
        user = author_of(self.principal)
        return self._response(command_cancel(command, user, reason))

    @extend_schema(request=None, responses=RobotCommandSerializer)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: str) -> Response:
        """Accept another user's command that waits for approval.

        Users only. 403 `approval_by_author` for its author.
        """
        command = self.get_object()
        return self._response(command_approve(command, require_user(self.principal)))

    @extend_schema(request=CommandReasonSerializer, responses=RobotCommandSerializer)
    @action(detail=True, methods=["post"])
    def reject(self, request: Request, pk: str) -> Response:
        """Reject another user's command that waits for approval.

        Users only. 403 `approval_by_author` for its author, who can cancel it.
        """
        command = self.get_object()
        user = require_user(self.principal)
        return self._response(command_reject(command, user, self._reason(request)))

    @extend_schema(request=SettlementSerializer, responses=RobotCommandSerializer)
    @action(detail=True, methods=["post"])
    def settle(self, request: Request, pk: str) -> Response:
        """Set the outcome of a command that is unknown.

        Users only, who have looked at the robot. A result that the robot reports first is kept.
        """
        command = self.get_object()
        user = require_user(self.principal)
        body = SettlementSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return self._response(command_settle(command, user, **body.validated_data))

    def _reason(self, request: Request) -> str:
        body = CommandReasonSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return str(body.validated_data.get("reason", ""))

    def _response(self, command: RobotCommand) -> Response:
        return Response(self.get_serializer(command).data)


class RobotCommandListViewSet(OperatorMixin, RequiredIdempotencyMixin, RobotNestedViewSet):
    """Commands of one robot."""

    model = RobotCommand
    serializer_class = RobotCommandSerializer
    filterset_class = RobotCommandListFilterSet
    idempotency_required_actions = frozenset({"create"})
    summaries = {
        "list": "List the commands of a robot",
        "create": "Create a command for a robot",
    }

    @extend_schema(
        request=CommandCreationSerializer,
        responses={201: RobotCommandSerializer},
        description=_CREATION,
    )
    def create(self, request: Request, robot_id: str) -> Response:
        robot = controlled_robot(self.principal, robot_id)
        self.require_idempotency_key(request)
        body = CommandCreationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        command = _create(robot, author_of(self.principal), body.validated_data)
        return Response(self.get_serializer(command).data, status=status.HTTP_201_CREATED)
