"""Commands through the API."""

from __future__ import annotations

import django_filters

from apps.robots.api.nested import OfOneRobotViewSet
from apps.robots.choices import CommandStatus, CommandType
from apps.robots.models import RobotCommand
from urfmp.common.api.serializers import ScopedModelSerializer
from urfmp.common.api.viewsets import ReadViewSet


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


class CommandsOfRobotViewSet(OfOneRobotViewSet):
    """What one robot was asked to do."""

    model = RobotCommand
    serializer_class = RobotCommandSerializer
    filterset_class = CommandsOfRobotFilterSet
