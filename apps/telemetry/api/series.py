"""Series through the API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from apps.robots.models import Robot
from apps.telemetry.api.parameters import (
    id_list,
    json_response,
    metric_list,
    name_list,
    robot_id_parameter,
    validated_parameters,
)
from apps.telemetry.api.serializers import MAX_METRICS, MAX_ROBOTS, MAX_SERIES
from apps.telemetry.models import RobotTelemetry
from apps.telemetry.protocols.points import MAX_METRIC_NAME
from apps.telemetry.selectors import (
    AGGREGATIONS,
    DEFAULT_AGGREGATIONS,
    MAX_POINTS,
    RESOLUTIONS,
    Series,
    SeriesQuery,
    percentile_of,
    series,
)
from apps.telemetry.selectors.unit_conversion import in_units
from urfmp.common.api.datetimes import MomentField
from urfmp.common.api.viewsets import PrincipalView
from urfmp.common.units import UnknownUnitError, check_units


class SeriesParametersSerializer(serializers.Serializer[Any]):
    metrics = serializers.CharField(
        max_length=MAX_METRICS * (MAX_METRIC_NAME + 1),
        help_text=f"Names, joined by commas; at most {MAX_METRICS}.",
    )
    start = MomentField()
    end = MomentField()
    max_points = serializers.IntegerField(min_value=2, max_value=MAX_POINTS, default=500)
    resolution = serializers.ChoiceField(
        ["auto", *RESOLUTIONS],
        default="auto",
        help_text="Width of a bucket, cut in UTC; `raw` for points as they were sent.",
    )
    aggregations = serializers.CharField(
        default=",".join(DEFAULT_AGGREGATIONS),
        max_length=200,
        help_text=f"Joined by commas: {', '.join(AGGREGATIONS)}, and percentiles as p50, p99.9.",
    )
    unit = serializers.CharField(
        required=False,
        max_length=200,
        help_text="Units to show values in, joined by commas, each for its own kind of quantity.",
    )

    def validate_unit(self, value: str) -> tuple[str, ...]:
        units = name_list(value)
        try:
            check_units(units)
        except UnknownUnitError as error:
            raise serializers.ValidationError(error.message) from error
        return units

    def validate_metrics(self, value: str) -> tuple[str, ...]:
        return metric_list(value)

    def validate_aggregations(self, value: str) -> tuple[str, ...]:
        names = name_list(value)
        if unknown := [n for n in names if n not in AGGREGATIONS and percentile_of(n) is None]:
            msg = (
                f"There is no aggregation {', '.join(unknown)}. Choose from "
                f"{', '.join(AGGREGATIONS)}, or a percentile between 0 and 100, as in p95."
            )
            raise serializers.ValidationError(msg)
        if not 1 <= len(names) <= 10:
            msg = "Name 1 to 10 aggregations."
            raise serializers.ValidationError(msg)
        return names

    def query(self) -> dict[str, Any]:
        """Return the values by the names that `SeriesQuery` has for them."""
        values = {**self.validated_data}
        values.pop("unit", None)
        values["resolution_seconds"] = RESOLUTIONS.get(values.pop("resolution"))
        return values

    def shown(self, answer: list[Series]) -> list[Series]:
        """Return series in the units that were asked for."""
        return in_units(answer, self.validated_data.get("unit", ()))


class FleetSeriesParametersSerializer(SeriesParametersSerializer):
    robots = serializers.CharField(
        max_length=MAX_ROBOTS * 37, help_text=f"Ids, joined by commas; at most {MAX_ROBOTS}."
    )

    def validate_robots(self, value: str) -> tuple[UUID, ...]:
        ids = id_list(value)
        if not 1 <= len(ids) <= MAX_ROBOTS:
            msg = f"Name 1 to {MAX_ROBOTS} robots."
            raise serializers.ValidationError(msg)
        return ids

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs["robots"]) * len(attrs["metrics"]) > MAX_SERIES:
            msg = f"Robots by metrics make more than {MAX_SERIES} series; ask in parts."
            raise serializers.ValidationError({"robots": msg})
        return attrs


class OneSeriesSerializer(serializers.Serializer[Any]):
    robot_id = serializers.UUIDField()
    metric_name = serializers.CharField()
    unit = serializers.CharField(allow_null=True)
    resolution_seconds = serializers.IntegerField(help_text="0 for points as they were sent.")
    aggregations = serializers.ListField(child=serializers.CharField())
    points = serializers.ListField(
        child=serializers.ListField(),
        help_text="[time, then the aggregations in their order], oldest first.",
    )


class SeriesSerializer(serializers.Serializer[Any]):
    series = OneSeriesSerializer(many=True)


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
        robot_id_parameter(request, robot_id)
        parameters = validated_parameters(request, SeriesParametersSerializer)
        answer = series(SeriesQuery(robot_ids=(robot_id,), **parameters.query()))
        return json_response({"series": parameters.shown(answer)})


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
        parameters = validated_parameters(request, FleetSeriesParametersSerializer)
        values = parameters.query()
        robot_ids = values.pop("robots")
        if Robot.objects.restrict(request.user).filter(pk__in=robot_ids).count() < len(robot_ids):
            raise Http404
        answer = series(SeriesQuery(robot_ids=robot_ids, **values))
        return json_response({"series": parameters.shown(answer)})
