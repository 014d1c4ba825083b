from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from django.http import Http404, HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from apps.robots.models import Robot
from apps.telemetry.api.serializers import (
    LatestSerializer,
    SeriesParametersSerializer,
    SeriesSerializer,
)
from apps.telemetry.models import RobotTelemetry
from apps.telemetry.selectors import SeriesQuery, latest_values, series
from urfmp.common.api.viewsets import PrincipalView


def _robot_id(request: Request, robot_id: UUID) -> UUID:
    """Return the id of a robot whose telemetry the caller may see; anything else is 404."""
    if not Robot.objects.restrict(request.user).filter(pk=robot_id).exists():
        raise Http404
    return robot_id


def _json(data: Any) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(data), content_type="application/json")


class LatestView(PrincipalView):
    """The newest value of each metric of a robot."""

    model = RobotTelemetry

    @extend_schema(responses=LatestSerializer, operation_id="robot_telemetry_latest")
    def get(self, request: Request, robot_id: UUID) -> HttpResponse:
        values = latest_values([_robot_id(request, robot_id)])
        return _json(
            {
                "values": [
                    {"metric_name": v.metric_name, "value": v.value, "unit": v.unit, "time": v.time}
                    for v in values
                ]
            }
        )


class SeriesView(PrincipalView):
    """Metrics of a robot over a range, thinned to what a chart can show."""

    model = RobotTelemetry
    parameters_class = SeriesParametersSerializer

    @extend_schema(
        parameters=[SeriesParametersSerializer, OpenApiParameter("robot_id", UUID, "path")],
        responses=SeriesSerializer,
        operation_id="robot_telemetry_series",
    )
    def get(self, request: Request, robot_id: UUID) -> HttpResponse:
        _robot_id(request, robot_id)
        parameters = SeriesParametersSerializer(data=request.query_params)
        parameters.is_valid(raise_exception=True)
        return _json({"series": series(SeriesQuery(robot_id, **parameters.validated_data))})
