"""Histograms in the API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from apps.telemetry.api.parameters import json_response, robot_id_parameter, validated_parameters
from apps.telemetry.models import RobotTelemetry
from apps.telemetry.protocols.points import MAX_METRIC_NAME_LENGTH
from apps.telemetry.selectors import (
    HistogramQuery,
    get_histogram,
)
from urfmp.common.api.datetimes import AwareDateTimeField
from urfmp.common.api.viewsets import PrincipalView


class HistogramParametersSerializer(serializers.Serializer[Any]):
    metric = serializers.CharField(max_length=MAX_METRIC_NAME_LENGTH)
    start = AwareDateTimeField()
    end = AwareDateTimeField()
    bins = serializers.IntegerField(min_value=1, max_value=200, default=20)


class BinSerializer(serializers.Serializer[Any]):
    start = serializers.FloatField()
    end = serializers.FloatField(help_text="Exclusive, except in the last bin.")
    count = serializers.IntegerField()


class HistogramSerializer(serializers.Serializer[Any]):
    robot_id = serializers.UUIDField()
    metric_name = serializers.CharField()
    unit = serializers.CharField(allow_null=True)
    count = serializers.IntegerField()
    bins = BinSerializer(many=True)


class HistogramView(PrincipalView):
    """Distribution of a metric's values over a time range."""

    model = RobotTelemetry
    parameters_class = HistogramParametersSerializer

    @extend_schema(
        parameters=[HistogramParametersSerializer, OpenApiParameter("robot_id", UUID, "path")],
        responses=HistogramSerializer,
        summary="Get the distribution of a metric's values",
        operation_id="robot_telemetry_histogram",
    )
    def get(self, request: Request, robot_id: UUID) -> HttpResponse:
        robot_id_parameter(request, robot_id)
        values = validated_parameters(request, HistogramParametersSerializer).validated_data
        return json_response(get_histogram(HistogramQuery(robot_id=robot_id, **values)))
