"""Maintenance schedules through the API."""

from __future__ import annotations

from typing import Any

import django_filters
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.idempotency import IdempotentCreateMixin
from apps.accounts.models import User
from apps.accounts.services.users import system_user_get
from apps.maintenance.choices import Weekday
from apps.maintenance.models import MaintenanceSchedule
from apps.maintenance.selectors.schedules import schedule_preview
from apps.maintenance.services.schedules import schedule_create, schedule_delete, schedule_update
from apps.organizations.choices import MaintenanceType
from urfmp.common.api.etags import ETagMixin
from urfmp.common.api.examples import body_example
from urfmp.common.api.filters import BooleanFilter
from urfmp.common.api.serializers import ScopedModelSerializer, StrictSerializer
from urfmp.common.api.viewsets import WriteViewSet


@body_example(
    "Grease all robots of a model every three months or 500 running hours",
    {
        "title": "Grease the joints",
        "type": "lubrication",
        "vendor": "universal_robots",
        "model": "UR10e",
        "frequency": "monthly",
        "interval": 3,
        "starts_on": "2026-01-05",
        "time_of_day": "06:00:00",
        "running_hours": 500,
        "lead_days": 7,
    },
)
class MaintenanceScheduleSerializer(ScopedModelSerializer):
    weekdays = serializers.ListField(
        child=serializers.ChoiceField(choices=Weekday.choices), required=False, max_length=7
    )

    class Meta:
        model = MaintenanceSchedule
        fields = (
            "id",
            "title",
            "description",
            "type",
            "priority",
            "assigned_to",
            "estimated_duration",
            "template",
            "robot",
            "vendor",
            "model",
            "frequency",
            "interval",
            "weekdays",
            "month_day",
            "starts_on",
            "time_of_day",
            "calendar_anchor",
            "running_hours",
            "running_hours_anchor",
            "lead_days",
            "is_active",
            "created_by",
            "created_at",
            "updated_at",
        )
        read_only_fields = ("id", "created_by", "created_at", "updated_at")


class SchedulePreviewSerializer(StrictSerializer):
    due_at = serializers.ListField(
        child=serializers.DateTimeField(),
        help_text="Next five due dates by the calendar, if each task is closed when it is due.",
    )


class MaintenanceScheduleFilterSet(django_filters.FilterSet):
    robot = django_filters.UUIDFilter(field_name="robot_id")
    vendor = django_filters.CharFilter()
    model = django_filters.CharFilter()
    type = django_filters.ChoiceFilter(choices=MaintenanceType.choices)
    is_active = BooleanFilter()


class MaintenanceScheduleViewSet(
    ETagMixin, IdempotentCreateMixin, mixins.DestroyModelMixin, WriteViewSet
):
    """Schedules that open maintenance tasks."""

    model = MaintenanceSchedule
    serializer_class = MaintenanceScheduleSerializer
    filterset_class = MaintenanceScheduleFilterSet
    ordering = "title"
    ordering_fields = ("title", "created_at")
    permission_actions = {"preview": "view"}

    def perform_create(self, serializer: Any) -> None:
        user = self.principal
        organization_id = user.organization_id
        author = (
            user if isinstance(user, User) else system_user_get(organization_id=organization_id)
        )
        serializer.instance = schedule_create(
            organization_id=organization_id, created_by=author, **serializer.validated_data
        )

    def perform_update(self, serializer: Any) -> None:
        serializer.instance = schedule_update(serializer.instance, **serializer.validated_data)

    def perform_destroy(self, instance: MaintenanceSchedule) -> None:
        schedule_delete(instance)

    @extend_schema(responses=SchedulePreviewSerializer)
    @action(detail=True, methods=["get"])
    def preview(self, request: Request, pk: str) -> Response:
        """Return the next due dates of a schedule's calendar.

        A schedule of a model uses the timezone of the organization. Running hours are not
        predicted.
        """
        dates = schedule_preview(self.get_object(), timezone.now())
        return Response(SchedulePreviewSerializer({"due_at": dates}).data)
