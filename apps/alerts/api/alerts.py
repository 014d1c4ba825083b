"""Alerts through the API."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.idempotency import IdempotentCreateMixin
from apps.accounts.models import User
from apps.alerts.choices.alerts import (
    MAX_COMMENT_LENGTH,
    AlertOutcome,
    AlertSeverity,
    AlertType,
)
from apps.alerts.models import Alert, AlertEvent
from apps.alerts.selectors.events import alert_timeline
from apps.alerts.services.alerts import (
    alert_acknowledge,
    alert_assign,
    alert_comment,
    alert_report,
    alert_resolve,
    alert_snooze,
)
from apps.robots.models import Robot
from urfmp.common.api.datetimes import AwareDateTimeField
from urfmp.common.api.examples import body_example
from urfmp.common.api.filters import AwareDateTimeFilter, BooleanFilter
from urfmp.common.api.serializers import (
    ScopedModelSerializer,
    ScopedRelatedField,
    StrictSerializer,
)
from urfmp.common.api.viewsets import ReadViewSet


@body_example(
    "A hot controller",
    {
        "type": "system",
        "severity": "warning",
        "key": "controller-temperature",
        "title": "Controller is hot",
        "message": "71 Cel, 60 is usual.",
        "source": "integration",
        "metadata": {"value": 71},
    },
)
class AlertSerializer(ScopedModelSerializer):
    class Meta:
        model = Alert
        fields: tuple[str, ...] = (
            "id",
            "robot",
            "type",
            "severity",
            "key",
            "title",
            "message",
            "source",
            "metadata",
            "is_acknowledged",
            "acknowledged_by",
            "acknowledged_at",
            "is_resolved",
            "resolved_at",
            "resolution",
            "assigned_to",
            "snoozed_until",
            "occurrences",
            "started_at",
            "last_seen_at",
            "created_at",
        )
        read_only_fields = (
            "id",
            "is_acknowledged",
            "acknowledged_by",
            "acknowledged_at",
            "is_resolved",
            "resolved_at",
            "resolution",
            "assigned_to",
            "snoozed_until",
            "occurrences",
            "started_at",
            "last_seen_at",
            "created_at",
        )
        extra_kwargs = {
            "source": {"allow_blank": False},
            "key": {
                "allow_blank": False,
                "help_text": "Identity of the condition within its robot, or within the"
                " organization without one. Default: derived from type, source and title.",
            },
            "occurrences": {"help_text": "Number of reports since the alert was opened."},
            "assigned_to": {"help_text": "User who takes care of the alert."},
            "snoozed_until": {"help_text": "Until then the alert sends no messages."},
            "started_at": {"help_text": "When the condition began."},
            "last_seen_at": {"help_text": "Time of the latest report."},
            "created_at": {"help_text": "Time of the first report."},
            "resolution": {"help_text": "Why the alert was resolved, if known."},
        }


class AlertReportSerializer(AlertSerializer):
    outcome = serializers.ChoiceField(
        AlertOutcome.choices,
        read_only=True,
        help_text="Whether the report opened the alert, or repeated the open one.",
    )

    class Meta(AlertSerializer.Meta):
        fields = (*AlertSerializer.Meta.fields, "outcome")


class AlertAssignmentSerializer(StrictSerializer):
    assigned_to = ScopedRelatedField(
        queryset=User.objects.all(),
        allow_null=True,
        help_text="User of the organization; null removes the assignment.",
    )


class AlertCommentSerializer(StrictSerializer):
    text = serializers.CharField(max_length=MAX_COMMENT_LENGTH)


class AlertSnoozeSerializer(StrictSerializer):
    until = AwareDateTimeField(help_text="Must be in the future.")


class AlertEventSerializer(ScopedModelSerializer):
    class Meta:
        model = AlertEvent
        fields = (
            "id",
            "kind",
            "severity",
            "user",
            "assigned_to",
            "text",
            "until",
            "occurrences",
            "created_at",
        )
        read_only_fields = fields
        extra_kwargs = {
            "severity": {"help_text": "Severity of the alert after the event."},
            "user": {"help_text": "User who acted; null for an API key or the system."},
            "assigned_to": {"help_text": "User to whom the alert was assigned."},
            "text": {"help_text": "The comment, or why the alert was resolved."},
            "until": {"help_text": "End of the snooze."},
            "occurrences": {"help_text": "Number of reports that share the event."},
        }


class AlertFilterSet(django_filters.FilterSet):
    robot = django_filters.UUIDFilter(field_name="robot_id")
    severity = django_filters.MultipleChoiceFilter(choices=AlertSeverity.choices)
    type = django_filters.ChoiceFilter(choices=AlertType.choices)
    is_acknowledged = BooleanFilter()
    is_resolved = BooleanFilter()
    key = django_filters.CharFilter()
    created_after = AwareDateTimeFilter(field_name="created_at", lookup_expr="gte")
    created_before = AwareDateTimeFilter(field_name="created_at", lookup_expr="lt")


class AlertViewSet(IdempotentCreateMixin, ReadViewSet):
    """Alerts raised by robots, users and integrations."""

    model = Alert
    serializer_class = AlertSerializer
    filterset_class = AlertFilterSet
    summaries = {"create": "Report an alert"}
    permission_actions = {
        "acknowledge": "acknowledge",
        "resolve": "acknowledge",
        "comment": "acknowledge",
        "snooze": "acknowledge",
        "assign": "change",
        "events": "view",
    }

    @extend_schema(
        request=AlertSerializer,
        responses={201: AlertReportSerializer, 200: AlertReportSerializer},
        description="Opens an alert (201), or repeats the open alert of the same robot and key"
        " (200): `occurrences` is incremented, and the severity raised if it is higher.",
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Report a condition."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        fields = dict(serializer.validated_data)
        if self.principal.robot_id is not None:
            # A key bound to a robot raises alerts of this robot only.
            fields["robot"] = Robot.objects.get(pk=self.principal.robot_id)
        report = alert_report(organization_id=self.principal.organization_id, **fields)
        data = {**self.get_serializer(report.alert).data, "outcome": report.outcome.value}
        is_new = report.outcome == AlertOutcome.OPENED
        return Response(data, status=HTTPStatus.CREATED if is_new else HTTPStatus.OK)

    @extend_schema(request=None, responses=AlertSerializer)
    @action(detail=True, methods=["post"])
    def acknowledge(self, request: Request, pk: str) -> Response:
        """Acknowledge an alert."""
        return self._response(alert_acknowledge(self.get_object(), self._acting_user()))

    @extend_schema(request=None, responses=AlertSerializer)
    @action(detail=True, methods=["post"])
    def resolve(self, request: Request, pk: str) -> Response:
        """Resolve an alert."""
        return self._response(alert_resolve(self.get_object(), self._acting_user()))

    @extend_schema(request=AlertAssignmentSerializer, responses=AlertSerializer)
    @action(detail=True, methods=["post"])
    def assign(self, request: Request, pk: str) -> Response:
        """Assign an alert to a user."""
        alert = self.get_object()
        values = self._validated(AlertAssignmentSerializer)
        return self._response(alert_assign(alert, self._acting_user(), **values))

    @extend_schema(request=AlertCommentSerializer, responses=AlertSerializer)
    @action(detail=True, methods=["post"])
    def comment(self, request: Request, pk: str) -> Response:
        """Comment an alert."""
        alert = self.get_object()
        values = self._validated(AlertCommentSerializer)
        return self._response(alert_comment(alert, self._acting_user(), **values))

    @extend_schema(request=AlertSnoozeSerializer, responses=AlertSerializer)
    @action(detail=True, methods=["post"])
    def snooze(self, request: Request, pk: str) -> Response:
        """Snooze an alert."""
        alert = self.get_object()
        values = self._validated(AlertSnoozeSerializer)
        return self._response(alert_snooze(alert, self._acting_user(), **values))

    @extend_schema(
        responses=AlertEventSerializer(many=True),
        description="The alert's events, newest first, at most 200.",
        filters=False,
    )
    @action(
        detail=True,
        methods=["get"],
        pagination_class=None,
        serializer_class=AlertEventSerializer,
    )
    def events(self, request: Request, pk: str) -> Response:
        """Get an alert's timeline."""
        events = alert_timeline(self.get_object())
        return Response(self.get_serializer(events, many=True).data)

    def _validated(self, serializer_class: type[StrictSerializer]) -> dict[str, Any]:
        serializer = serializer_class(data=self.request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def _acting_user(self) -> User | None:
        return self.principal if isinstance(self.principal, User) else None

    def _response(self, alert: Alert) -> Response:
        return Response(self.get_serializer(alert).data)
