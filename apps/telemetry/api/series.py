"""Series in the API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from apps.robots.models import Robot
from apps.telemetry.api.parameters import (
    MAX_METRICS,
    MAX_ROBOTS,
    MAX_SERIES,
    ListParameter,
    id_list,
    json_response,
    metric_list,
    name_list,
    robot_id_parameter,
    validated_parameters,
)
from apps.telemetry.models import RobotTelemetry
from apps.telemetry.protocols.points import MAX_METRIC_NAME_LENGTH
from apps.telemetry.selectors import (
    AGGREGATIONS,
    DEFAULT_AGGREGATIONS,
    MAX_POINTS_PER_SERIES,
    RESOLUTIONS,
    Series,
    SeriesQuery,
    get_series,
    parse_percentile,
)
from apps.telemetry.selectors.unit_conversion import convert_series
from urfmp.common.api.datetimes import AwareDateTimeField, TimezoneParameter
from urfmp.common.api.viewsets import PrincipalView
from urfmp.common.units import UnknownUnitError, check_units


class SeriesParametersSerializer(serializers.Serializer[Any]):
    metrics = ListParameter(
        max_length=MAX_METRICS * (MAX_METRIC_NAME_LENGTH + 1),
        help_text=f"Metric names, separated by commas; at most {MAX_METRICS}.",
    )
    start = AwareDateTimeField()
    end = AwareDateTimeField()
    max_points = serializers.IntegerField(min_value=2, max_value=MAX_POINTS_PER_SERIES, default=500)
    resolution = serializers.ChoiceField(
        ["auto", *RESOLUTIONS],
        default="auto",
        help_text="Width of a bucket; `raw` for raw points. Buckets are aligned in UTC, those of a "
        "day or more in `timezone`.",
    )
    timezone = TimezoneParameter(
        help_text="IANA name of the timezone in which buckets of a day or more begin at midnight. "
        "With daylight saving time such a day may have 23 or 25 hours."
    )
    aggregations = ListParameter(
        default=",".join(DEFAULT_AGGREGATIONS),
        max_length=200,
        help_text=f"Comma-separated: {', '.join(AGGREGATIONS)}, or percentiles such as p99.9.",
    )
    unit = ListParameter(
        required=False,
        max_length=200,
        help_text="Units to show values in, separated by commas, one per quantity.",
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
        if unknown := [n for n in names if n not in AGGREGATIONS and parse_percentile(n) is None]:
            msg = (
                f"Unknown aggregation: {', '.join(unknown)}. Choose from "
                f"{', '.join(AGGREGATIONS)}, or a percentile between 0 and 100, such as p95."
            )
            raise serializers.ValidationError(msg)
        if not 1 <= len(names) <= 10:
            msg = "Choose 1 to 10 aggregations."
            raise serializers.ValidationError(msg)
        return names

    def query(self) -> dict[str, Any]:
        """Return the values as arguments of `SeriesQuery`."""
        values = {**self.validated_data}
        values.pop("unit", None)
        values["resolution_seconds"] = RESOLUTIONS.get(values.pop("resolution"))
        return values

    def convert(self, found: list[Series]) -> list[Series]:
        """Return series in the requested units."""
        return convert_series(found, self.validated_data.get("unit", ()))


class FleetSeriesParametersSerializer(SeriesParametersSerializer):
    robots = ListParameter(
        max_length=MAX_ROBOTS * 37,
        help_text=f"Robot ids, separated by commas; at most {MAX_ROBOTS}.",
    )

    def validate_robots(self, value: str) -> tuple[UUID, ...]:
        ids = id_list(value)
        if not 1 <= len(ids) <= MAX_ROBOTS:
            msg = f"Choose 1 to {MAX_ROBOTS} robots."
            raise serializers.ValidationError(msg)
        return ids

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs["robots"]) * len(attrs["metrics"]) > MAX_SERIES:
            msg = f"Robots times metrics must be at most {MAX_SERIES} series."
            raise serializers.ValidationError({"robots": msg})
        return attrs


class OneSeriesSerializer(serializers.Serializer[Any]):
    robot_id = serializers.UUIDField()
    metric_name = serializers.CharField()
    unit = serializers.CharField(allow_null=True)
    resolution_seconds = serializers.IntegerField(help_text="0 for raw points.")
    aggregations = serializers.ListField(child=serializers.CharField())
    points = serializers.ListField(
        child=serializers.ListField(),
        help_text="[time, then the aggregations in order], oldest first.",
    )


class SeriesSerializer(serializers.Serializer[Any]):
    series = OneSeriesSerializer(many=True)


class SeriesView(PrincipalView):
    """Metrics of a robot over a time range, downsampled for charts."""

    model = RobotTelemetry
    parameters_class = SeriesParametersSerializer

    @extend_schema(
        parameters=[SeriesParametersSerializer, OpenApiParameter("robot_id", UUID, "path")],
        responses=SeriesSerializer,
        summary="Get series of a robot",
        operation_id="robot_telemetry_series",
    )
    def get(self, request: Request, robot_id: UUID) -> HttpResponse:
        robot_id_parameter(request, robot_id)
        parameters = validated_parameters(request, SeriesParametersSerializer)
        found = get_series(SeriesQuery(robot_ids=(robot_id,), **parameters.query()))
        return json_response({"series": parameters.convert(found)})


class FleetSeriesView(PrincipalView):
    """Metrics of several robots over a time range, downsampled for charts."""

    model = RobotTelemetry
    parameters_class = FleetSeriesParametersSerializer

    @extend_schema(
        parameters=[FleetSeriesParametersSerializer],
        responses=SeriesSerializer,
        summary="Get series of several robots",
        operation_id="telemetry_series",
    )
    def get(self, request: Request) -> HttpResponse:
        parameters = validated_parameters(request, FleetSeriesParametersSerializer)
        values = parameters.query()
        robot_ids = values.pop("robots")
        if Robot.objects.restrict(request.user).filter(pk__in=robot_ids).count() < len(robot_ids):
            raise Http404
        found = get_series(SeriesQuery(robot_ids=robot_ids, **values))
        return json_response({"series": parameters.convert(found)})
