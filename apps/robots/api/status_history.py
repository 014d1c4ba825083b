"""Status history through the API."""

from __future__ import annotations

import django_filters

from apps.robots.api.nested import RobotNestedViewSet
from apps.robots.choices import RobotStatus
from apps.robots.models import RobotStatusHistory
from urfmp.common.api.filters import AwareDateTimeFilter
from urfmp.common.api.serializers import ScopedModelSerializer


class RobotStatusHistorySerializer(ScopedModelSerializer):
    class Meta:
        model = RobotStatusHistory
        fields = ("time", "robot_id", "status", "previous_status", "reason", "metadata")
        read_only_fields = fields


class StatusHistoryFilterSet(django_filters.FilterSet):
    status = django_filters.ChoiceFilter(choices=RobotStatus.choices)
    start = AwareDateTimeFilter(field_name="time", lookup_expr="gte")
    end = AwareDateTimeFilter(field_name="time", lookup_expr="lt")


class StatusHistoryViewSet(RobotNestedViewSet):
    """Status changes of one robot."""

    model = RobotStatusHistory
    serializer_class = RobotStatusHistorySerializer
    filterset_class = StatusHistoryFilterSet
    summaries = {"list": "List the status changes of a robot"}
    ordering = "-time"
    ordering_fields = ("time",)
