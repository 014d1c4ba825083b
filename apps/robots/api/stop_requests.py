"""Stop requests through the API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.idempotency import IdempotentMixin
from apps.robots.api.commands import RobotCommandSerializer
from apps.robots.api.operators import OperatorMixin, author_of, controlled_robot
from apps.robots.choices import STOP_REQUEST_NOTICE
from apps.robots.models import Robot, RobotCommand
from apps.robots.services.commands.stop_requests import stop_requests_create
from urfmp.common.api.examples import body_example
from urfmp.common.api.serializers import StrictSerializer
from urfmp.common.api.viewsets import PrincipalView
from urfmp.common.http.view_policy import view_policy

_DESCRIPTION = (
    f"{STOP_REQUEST_NOTICE} Robots receive it before every other command. Commands that wait for"
    " them are cancelled, and they get no other command until a reset. It is not subject to rate"
    " limits, and works while Redis or the audit log fails. An Idempotency-Key is optional:"
    " repeating it is harmless."
)


@body_example("Reason", {"reason": "A pallet has fallen over."})
class StopRequestSerializer(StrictSerializer):
    reason = serializers.CharField(required=False, allow_blank=True, max_length=500)


@body_example("All robots of a cell", {"facility": "Hall 1", "cell": "7"})
class PlaceStopRequestSerializer(StopRequestSerializer):
    facility = serializers.CharField(max_length=255)
    area = serializers.CharField(required=False, max_length=255)
    cell = serializers.CharField(required=False, max_length=255)


class StopRequestResultSerializer(serializers.Serializer[Any]):
    notice = serializers.CharField(help_text="What a stop request is, to be shown to users.")
    commands = RobotCommandSerializer(many=True)


@view_policy(rate_limit_exempt=True, allow_without_second_factor=True)
class _StopRequestView(OperatorMixin, IdempotentMixin, PrincipalView):
    model = RobotCommand

    def stop(self, robots: list[Robot], reason: str) -> Response:
        commands = stop_requests_create(
            robots=robots, user=author_of(self.principal), reason=reason
        )
        result = {"notice": STOP_REQUEST_NOTICE, "commands": commands}
        return Response(StopRequestResultSerializer(result).data, status=status.HTTP_201_CREATED)


class RobotStopRequestView(_StopRequestView):
    """Stop requests for one robot."""

    @extend_schema(
        parameters=[OpenApiParameter("robot_id", UUID, "path")],
        request=StopRequestSerializer,
        responses={201: StopRequestResultSerializer},
        summary="Request a robot to stop",
        description=_DESCRIPTION,
        operation_id="robot_stop_requests_create",
    )
    def post(self, request: Request, robot_id: UUID) -> Response:
        robot = controlled_robot(self.principal, robot_id)
        body = StopRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return self.stop([robot], body.validated_data.get("reason", ""))


class PlaceStopRequestView(_StopRequestView):
    """Stop requests for all robots of a facility, area or cell."""

    @extend_schema(
        request=PlaceStopRequestSerializer,
        responses={201: StopRequestResultSerializer},
        summary="Request all robots of a place to stop",
        description=f"For the robots of a facility, of an area or a cell in it. {_DESCRIPTION}",
        operation_id="stop_requests_create",
    )
    def post(self, request: Request) -> Response:
        body = PlaceStopRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        values = body.validated_data
        place = {name: values[name] for name in ("facility", "area", "cell") if name in values}
        robots = Robot.objects.restrict(self.principal, "control").in_service()
        found = list(robots.filter(location__contains=place))
        if not found:
            raise serializers.ValidationError({"facility": "No robot in service is in this place."})
        return self.stop(found, values.get("reason", ""))
