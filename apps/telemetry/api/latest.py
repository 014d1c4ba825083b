"""Latest values in the API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from apps.robots.models import Robot
from apps.telemetry.api.parameters import (
    ListParameter,
    id_list,
    json_response,
    metric_list,
    robot_id_parameter,
    validated_parameters,
)
from apps.telemetry.models import RobotTelemetry
from apps.telemetry.selectors import (
    latest_json,
    latest_values,
)
from urfmp.common.api.viewsets import PrincipalView


class LatestValueSerializer(serializers.Serializer[Any]):
    metric_name = serializers.CharField()
    value = serializers.FloatField(allow_null=True)
    unit = serializers.CharField(allow_null=True)
    time = serializers.DateTimeField()


class LatestSerializer(serializers.Serializer[Any]):
    values = LatestValueSerializer(many=True)


class FleetLatestValueSerializer(LatestValueSerializer):
    robot_id = serializers.UUIDField()


class FleetLatestSerializer(serializers.Serializer[Any]):
    results = FleetLatestValueSerializer(many=True)
    next = serializers.URLField(allow_null=True)


class FleetLatestParametersSerializer(serializers.Serializer[Any]):
    metrics = ListParameter(
        required=False,
        max_length=2000,
        help_text="Metric names, separated by commas; all by default.",
    )
    robots = ListParameter(
        required=False, max_length=4000, help_text="Robot ids, separated by commas; all by default."
    )
    page_size = serializers.IntegerField(
        min_value=1,
        max_value=10_000,
        default=1_000,
        help_text="Robots per page; more than 1,000 only with at most 3 metrics.",
    )
    cursor = serializers.UUIDField(
        required=False, help_text="From the `next` URL of the previous page."
    )

    def validate_metrics(self, value: str) -> tuple[str, ...]:
        return metric_list(value)

    def validate_robots(self, value: str) -> tuple[UUID, ...]:
        return id_list(value)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["page_size"] > 1_000 and not 1 <= len(attrs.get("metrics", ())) <= 3:
            msg = "Choose 1 to 3 metrics, or at most 1,000 robots per page."
            raise serializers.ValidationError({"page_size": msg})
        return attrs


class LatestView(PrincipalView):
    """Latest value of each metric of a robot."""

    model = RobotTelemetry

    @extend_schema(
        responses=LatestSerializer,
        summary="Get the latest values of a robot",
        operation_id="robot_telemetry_latest",
    )
    def get(self, request: Request, robot_id: UUID) -> HttpResponse:
        values = latest_values([robot_id_parameter(request, robot_id)])
        return json_response(
            {
                "values": [
                    {"metric_name": v.metric_name, "value": v.value, "unit": v.unit, "time": v.time}
                    for v in values
                ]
            }
        )


class FleetLatestView(PrincipalView):
    """Latest values of many robots, paginated by robot."""

    model = RobotTelemetry
    parameters_class = FleetLatestParametersSerializer

    @extend_schema(
        parameters=[FleetLatestParametersSerializer],
        responses=FleetLatestSerializer,
        summary="Get the latest values of many robots",
        operation_id="telemetry_latest",
    )
    def get(self, request: Request) -> HttpResponse:
        parameters = validated_parameters(request, FleetLatestParametersSerializer).validated_data
        robots = Robot.objects.restrict(request.user).order_by("pk")
        if "robots" in parameters:
            robots = robots.filter(pk__in=parameters["robots"])
        if "cursor" in parameters:
            robots = robots.filter(pk__gt=parameters["cursor"])
        size = parameters["page_size"]
        last = list(robots.values_list("pk", flat=True)[size - 1 : size + 1])
        next_url = None
        if len(last) > 1:
            next_url = replace_query_param(request.build_absolute_uri(), "cursor", str(last[0]))
        results = msgspec.Raw(latest_json(robots[:size], parameters.get("metrics")))
        return json_response({"results": results, "next": next_url})
