"""Alert rules through the API."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.idempotency import IdempotentCreateMixin
from apps.alerts.choices.rules import RuleKind, RuleScope
from apps.alerts.models import AlertRule
from apps.alerts.protocols.conditions import CONDITION_SCHEMA
from apps.alerts.services.rules.preview import rule_preview
from apps.alerts.services.rules.rules import (
    alert_rule_create,
    alert_rule_delete,
    alert_rule_update,
)
from urfmp.common.api.datetimes import AwareDateTimeField
from urfmp.common.api.etags import ETagMixin
from urfmp.common.api.examples import body_example
from urfmp.common.api.filters import BooleanFilter
from urfmp.common.api.serializers import ScopedModelSerializer
from urfmp.common.api.viewsets import WriteViewSet


@extend_schema_field(CONDITION_SCHEMA)
class ConditionField(serializers.DictField):
    """Condition of a rule."""


@body_example(
    "A hot motor",
    {
        "name": "Motor of joint 1 is hot",
        "severity": "warning",
        "condition": {
            "clauses": [
                {
                    "metric": "temperature.motor.joint1",
                    "comparison": ">",
                    "threshold": 80.0,
                    "clear": 75.0,
                }
            ],
            "for_seconds": 60,
            "severities": [{"severity": "critical", "value": 95.0}],
        },
    },
)
class AlertRuleSerializer(ScopedModelSerializer):
    condition = ConditionField()

    class Meta:
        model = AlertRule
        fields = (
            "id",
            "name",
            "scope",
            "facility",
            "model",
            "robot",
            "kind",
            "condition",
            "severity",
            "reopen_seconds",
            "is_enabled",
            "version",
            "created_at",
            "updated_at",
        )
        read_only_fields = ("id", "version", "created_at", "updated_at")
        validators: tuple[Any, ...] = ()
        extra_kwargs = {
            "name": {
                "help_text": "Of several rules with one name the nearest to a robot applies: that"
                " of the robot, else of its model, its facility, all robots."
            },
            "facility": {"help_text": "Name of the facility, if `scope` is `facility`."},
            "model": {"help_text": "Name of the model, if `scope` is `model`."},
            "robot": {"help_text": "The robot, if `scope` is `robot`."},
            "reopen_seconds": {
                "help_text": "A condition that returns within this time reopens its alert."
            },
            "version": {"help_text": "Increases with every change."},
        }


class EpisodeSerializer(serializers.Serializer[Any]):
    start = AwareDateTimeField()
    end = AwareDateTimeField(allow_null=True, help_text="null: the rule would still fire.")


class RobotPreviewSerializer(serializers.Serializer[Any]):
    robot = serializers.UUIDField()
    episodes = EpisodeSerializer(many=True)


class RulePreviewSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField(help_text="How often the rule would have fired.")
    start = AwareDateTimeField(help_text="Start of the history that was tried.")
    end = AwareDateTimeField()
    robot_count = serializers.IntegerField(help_text="Robots in the scope of the rule.")
    robots = RobotPreviewSerializer(many=True, help_text="Robots that were tried, at most 20.")


class AlertRuleFilterSet(django_filters.FilterSet):
    name = django_filters.CharFilter(lookup_expr="icontains")
    kind = django_filters.ChoiceFilter(choices=RuleKind.choices)
    scope = django_filters.ChoiceFilter(choices=RuleScope.choices)
    robot = django_filters.UUIDFilter(field_name="robot_id")
    is_enabled = BooleanFilter()


class AlertRuleViewSet(ETagMixin, IdempotentCreateMixin, mixins.DestroyModelMixin, WriteViewSet):
    """Rules that open alerts."""

    model = AlertRule
    serializer_class = AlertRuleSerializer
    filterset_class = AlertRuleFilterSet
    ordering = "name"
    ordering_fields = ("name", "created_at")
    permission_actions = {"preview": "change"}

    def perform_create(self, serializer: Any) -> None:
        serializer.instance = alert_rule_create(
            organization_id=self.principal.organization_id, **serializer.validated_data
        )

    def perform_update(self, serializer: Any) -> None:
        serializer.instance = alert_rule_update(serializer.instance, **serializer.validated_data)

    def perform_destroy(self, instance: AlertRule) -> None:
        alert_rule_delete(instance)

    @extend_schema(
        request=AlertRuleSerializer,
        responses=RulePreviewSerializer,
        summary="Verify a rule on history",
        description="Tries a rule on metrics on the points of the last seven days, and stores"
        " nothing. At most 20 robots and 200,000 points are tried.",
    )
    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        """Try a rule on history."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        found = rule_preview(
            organization_id=self.principal.organization_id,
            principal=self.principal,
            **serializer.validated_data,
        )
        data = {
            "count": found.count,
            "start": found.start,
            "end": found.end,
            "robot_count": found.robot_count,
            "robots": [
                {
                    "robot": one.robot.pk,
                    "episodes": [{"start": start, "end": end} for start, end in one.episodes],
                }
                for one in found.robots
            ],
        }
        return Response(RulePreviewSerializer(data).data, status=HTTPStatus.OK)
