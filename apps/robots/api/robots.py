from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.idempotency import IdempotentCreateMixin, IdempotentMixin
from apps.robots.api.serializers import (
    RobotCommandSerializer,
    RobotSerializer,
    RobotStatusHistorySerializer,
    ShownStatusSerializer,
    StatusReportSerializer,
)
from apps.robots.choices import CommandStatus, CommandType, RobotStatus
from apps.robots.models import Robot, RobotCommand, RobotStatusHistory
from apps.robots.services import robots
from urfmp.common.api.etags import ETagMixin
from urfmp.common.api.filters import BooleanFilter, MomentFilter
from urfmp.common.api.viewsets import PrincipalView, ReadViewSet, ScopedViewSet, WriteViewSet


class RobotFilterSet(django_filters.FilterSet):
    name = django_filters.CharFilter(lookup_expr="icontains")
    vendor = django_filters.CharFilter()
    model = django_filters.CharFilter()
    serial_number = django_filters.CharFilter()
    status = django_filters.ChoiceFilter(choices=RobotStatus.choices)
    is_active = BooleanFilter()
    facility = django_filters.CharFilter(method="in_facility", label="facility")

    def in_facility(self, queryset: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return queryset.filter(location__contains={"facility": value})


@extend_schema(description="Robots. Deleting one retires it: its history stays.")
class RobotViewSet(ETagMixin, IdempotentCreateMixin, mixins.DestroyModelMixin, WriteViewSet):
    """Robots of the organization."""

    model = Robot
    serializer_class = RobotSerializer
    filterset_class = RobotFilterSet
    ordering = "name"
    ordering_fields = ("name", "created_at", "last_seen")

    def perform_create(self, serializer: Any) -> None:
        serializer.instance = robots.robot_register(
            organization_id=self.principal.organization_id, **serializer.validated_data
        )

    def perform_update(self, serializer: Any) -> None:
        serializer.instance = robots.robot_update(serializer.instance, **serializer.validated_data)

    def perform_destroy(self, instance: Robot) -> None:
        robots.robot_retire(instance)


class CommandsOfRobotFilterSet(django_filters.FilterSet):
    type = django_filters.ChoiceFilter(choices=CommandType.choices)
    status = django_filters.ChoiceFilter(choices=CommandStatus.choices)


class RobotCommandFilterSet(CommandsOfRobotFilterSet):
    robot = django_filters.UUIDFilter(field_name="robot_id")


class RobotCommandViewSet(ReadViewSet):
    """What robots were asked to do."""

    model = RobotCommand
    serializer_class = RobotCommandSerializer
    filterset_class = RobotCommandFilterSet


class OfOneRobotViewSet(mixins.ListModelMixin, ScopedViewSet):
    """Rows of the robot that the address names."""

    def get_queryset(self) -> QuerySet[Any]:
        rows = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            return rows
        robot_id = self.kwargs["robot_id"]
        if not Robot.objects.restrict(self.principal).filter(pk=robot_id).exists():
            raise Http404
        return rows.filter(robot_id=robot_id)


class CommandsOfRobotViewSet(OfOneRobotViewSet):
    """What one robot was asked to do."""

    model = RobotCommand
    serializer_class = RobotCommandSerializer
    filterset_class = CommandsOfRobotFilterSet


class StatusHistoryFilterSet(django_filters.FilterSet):
    status = django_filters.ChoiceFilter(choices=RobotStatus.choices)
    start = MomentFilter(field_name="time", lookup_expr="gte")
    end = MomentFilter(field_name="time", lookup_expr="lt")


class StatusHistoryViewSet(OfOneRobotViewSet):
    """One robot's status changes."""

    model = RobotStatusHistory
    serializer_class = RobotStatusHistorySerializer
    filterset_class = StatusHistoryFilterSet
    ordering = "-time"
    ordering_fields = ("time",)


class DeviceStatusView(IdempotentMixin, PrincipalView):
    """A robot says what it is doing."""

    model = RobotStatusHistory

    @extend_schema(
        request=StatusReportSerializer,
        responses=ShownStatusSerializer,
        description="For a key bound to a robot, with the scope telemetry:write.",
        operation_id="device_status",
    )
    def post(self, request: Request) -> Response:
        report = StatusReportSerializer(data=request.data)
        report.is_valid(raise_exception=True)
        values = report.validated_data
        robot = robots.robot_report_status(
            robot_id=self.principal.robot_id,
            status=values["status"],
            reason=values.get("reason"),
            robot_time=values.get("time"),
            metadata=values.get("metadata"),
        )
        return Response({"status": robot.status})

    def check_permissions(self, request: Request) -> None:
        if not self.principal.is_authenticated:
            self.permission_denied(request)
        is_robot = getattr(self.principal, "robot_id", None) is not None
        if not is_robot or not self.principal.has_perm("telemetry.write_robottelemetry"):
            msg = "Use a key bound to a robot, with the scope telemetry:write."
            raise PermissionDenied(msg)
