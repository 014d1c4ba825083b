from __future__ import annotations

from typing import Any, TypeVar
from uuid import UUID

import msgspec
from django.http import Http404, HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.serializers import Serializer
from rest_framework.utils.urls import replace_query_param

from apps.robots.models import Robot
from apps.telemetry.api.serializers import (
    FleetLatestParametersSerializer,
    FleetLatestSerializer,
    FleetSeriesParametersSerializer,
    HistogramParametersSerializer,
    HistogramSerializer,
    LatestSerializer,
    SeriesParametersSerializer,
    SeriesSerializer,
)
from apps.telemetry.models import RobotTelemetry
from apps.telemetry.selectors import (
    HistogramQuery,
    SeriesQuery,
    histogram,
    latest_json,
    latest_values,
    series,
)
from urfmp.common.api.viewsets import PrincipalView

Parameters = TypeVar("Parameters", bound=Serializer[Any])


def _robot_id(request: Request, robot_id: UUID) -> UUID:
    """Return the id of a robot whose telemetry the caller may see; anything else is 404."""
    if not Robot.objects.restrict(request.user).filter(pk=robot_id).exists():
        raise Http404
    return robot_id


def _parameters(request: Request, serializer: type[Parameters]) -> Parameters:
    """Return the query's parameters, checked."""
    parameters = serializer(data=request.query_params)
    parameters.is_valid(raise_exception=True)
    return parameters


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


class FleetLatestView(PrincipalView):
    """The newest values of many robots, some robots a page."""

    model = RobotTelemetry
    parameters_class = FleetLatestParametersSerializer

    @extend_schema(
        parameters=[FleetLatestParametersSerializer],
        responses=FleetLatestSerializer,
        operation_id="telemetry_latest",
    )
    def get(self, request: Request) -> HttpResponse:
        wanted = _parameters(request, FleetLatestParametersSerializer).validated_data
        robots = Robot.objects.restrict(request.user).order_by("pk")
        if "robots" in wanted:
            robots = robots.filter(pk__in=wanted["robots"])
        if "cursor" in wanted:
            robots = robots.filter(pk__gt=wanted["cursor"])
        size = wanted["page_size"]
        last = list(robots.values_list("pk", flat=True)[size - 1 : size + 1])
        following = None
        if len(last) > 1:
            following = replace_query_param(request.build_absolute_uri(), "cursor", str(last[0]))
        results = msgspec.Raw(latest_json(robots[:size], wanted.get("metrics")))
        return _json({"results": results, "next": following})


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
        parameters = _parameters(request, SeriesParametersSerializer)
        answer = series(SeriesQuery(robot_ids=(robot_id,), **parameters.query()))
        return _json({"series": parameters.shown(answer)})


class HistogramView(PrincipalView):
    """How the values of a robot's metric are spread over a range."""

    model = RobotTelemetry
    parameters_class = HistogramParametersSerializer

    @extend_schema(
        parameters=[HistogramParametersSerializer, OpenApiParameter("robot_id", UUID, "path")],
        responses=HistogramSerializer,
        operation_id="robot_telemetry_histogram",
    )
    def get(self, request: Request, robot_id: UUID) -> HttpResponse:
        _robot_id(request, robot_id)
        values = _parameters(request, HistogramParametersSerializer).validated_data
        return _json(histogram(HistogramQuery(robot_id=robot_id, **values)))


class FleetSeriesView(PrincipalView):
    """Metrics of several robots over a range; a robot that the caller may not see is 404."""

    model = RobotTelemetry
    parameters_class = FleetSeriesParametersSerializer

    @extend_schema(
        parameters=[FleetSeriesParametersSerializer],
        responses=SeriesSerializer,
        operation_id="telemetry_series",
    )
    def get(self, request: Request) -> HttpResponse:
        parameters = _parameters(request, FleetSeriesParametersSerializer)
        values = parameters.query()
        robot_ids = values.pop("robots")
        if Robot.objects.restrict(request.user).filter(pk__in=robot_ids).count() < len(robot_ids):
            raise Http404
        answer = series(SeriesQuery(robot_ids=robot_ids, **values))
        return _json({"series": parameters.shown(answer)})
