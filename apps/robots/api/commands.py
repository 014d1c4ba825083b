"""Commands through the API."""

from __future__ import annotations

import django_filters

from apps.robots.api.nested import RobotNestedViewSet
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


class RobotCommandListFilterSet(django_filters.FilterSet):
    type = django_filters.ChoiceFilter(choices=CommandType.choices)
    status = django_filters.ChoiceFilter(choices=CommandStatus.choices)


class RobotCommandFilterSet(RobotCommandListFilterSet):
    robot = django_filters.UUIDFilter(field_name="robot_id")


class RobotCommandViewSet(ReadViewSet):
    """Commands of all robots."""

    model = RobotCommand
    serializer_class = RobotCommandSerializer
    filterset_class = RobotCommandFilterSet


class RobotCommandListViewSet(RobotNestedViewSet):
    """Commands of one robot."""

    model = RobotCommand
    serializer_class = RobotCommandSerializer
    filterset_class = RobotCommandListFilterSet
    summaries = {"list": "List the commands of a robot"}
