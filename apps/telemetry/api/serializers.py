from __future__ import annotations

from typing import Any
from uuid import UUID

from rest_framework import serializers

from apps.telemetry.protocols.points import MAX_METRIC_NAME
from apps.telemetry.selectors import (
    AGGREGATIONS,
    DEFAULT_AGGREGATIONS,
    MAX_POINTS,
    RESOLUTIONS,
    Series,
    percentile_of,
)
from apps.telemetry.selectors.unit_conversion import in_units
from apps.telemetry.services.export_formats import FORMATS
from urfmp.common.api.datetimes import MomentField
from urfmp.common.db.fields import validate_moment
from urfmp.common.units import UnknownUnitError, check_units

MAX_METRICS, MAX_ROBOTS, MAX_SERIES = 20, 100, 200


def _names(value: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_parts(value)))


def _ids(value: str) -> tuple[UUID, ...]:
    try:
        return tuple(UUID(name) for name in _names(value))
    except ValueError as error:
        msg = "Write ids of robots, joined by commas."
        raise serializers.ValidationError(msg) from error


def _metrics(value: str) -> tuple[str, ...]:
    names = _names(value)
    if not 1 <= len(names) <= MAX_METRICS:
        msg = f"Name 1 to {MAX_METRICS} metrics."
        raise serializers.ValidationError(msg)
    return names


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
    metrics = serializers.CharField(
        required=False, max_length=2000, help_text="Names, joined by commas; all unless given."
    )
    robots = serializers.CharField(
        required=False, max_length=4000, help_text="Ids, joined by commas; all unless given."
    )
    page_size = serializers.IntegerField(
        min_value=1,
        max_value=10_000,
        default=1_000,
        help_text="Robots a page; more than 1,000 only where at most 3 metrics are named.",
    )
    cursor = serializers.UUIDField(
        required=False, help_text="From the `next` address of the page before."
    )

    def validate_metrics(self, value: str) -> tuple[str, ...]:
        return _metrics(value)

    def validate_robots(self, value: str) -> tuple[UUID, ...]:
        return _ids(value)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["page_size"] > 1_000 and not 1 <= len(attrs.get("metrics", ())) <= 3:
            msg = "Name 1 to 3 metrics, or ask for at most 1,000 robots a page."
            raise serializers.ValidationError({"page_size": msg})
        return attrs


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
        units = _names(value)
        try:
            check_units(units)
        except UnknownUnitError as error:
            raise serializers.ValidationError(error.message) from error
        return units

    def validate_metrics(self, value: str) -> tuple[str, ...]:
        return _metrics(value)

    def validate_aggregations(self, value: str) -> tuple[str, ...]:
        names = _names(value)
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
        ids = _ids(value)
        if not 1 <= len(ids) <= MAX_ROBOTS:
            msg = f"Name 1 to {MAX_ROBOTS} robots."
            raise serializers.ValidationError(msg)
        return ids

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs["robots"]) * len(attrs["metrics"]) > MAX_SERIES:
            msg = f"Robots by metrics make more than {MAX_SERIES} series; ask in parts."
            raise serializers.ValidationError({"robots": msg})
        return attrs


class HistogramParametersSerializer(serializers.Serializer[Any]):
    metric = serializers.CharField(max_length=MAX_METRIC_NAME)
    start = MomentField()
    end = MomentField()
    bins = serializers.IntegerField(min_value=1, max_value=200, default=20)


class BinSerializer(serializers.Serializer[Any]):
    start = serializers.FloatField()
    end = serializers.FloatField(help_text="Not in the bin, except in the last one.")
    count = serializers.IntegerField()


class HistogramSerializer(serializers.Serializer[Any]):
    robot_id = serializers.UUIDField()
    metric_name = serializers.CharField()
    unit = serializers.CharField(allow_null=True)
    count = serializers.IntegerField()
    bins = BinSerializer(many=True)


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


class ExportParametersSerializer(serializers.Serializer[Any]):
    format = serializers.ChoiceField(choices=list(FORMATS))
    start = MomentField(validators=[validate_moment])
    end = MomentField(validators=[validate_moment])
    robots = serializers.CharField(
        required=False, help_text="Ids, joined by commas; without it all robots."
    )
    metrics = serializers.CharField(
        required=False, help_text="Names, joined by commas; without it all metrics."
    )

    def validate_robots(self, value: str) -> tuple[UUID, ...]:
        field = serializers.UUIDField()
        return tuple(dict.fromkeys(field.to_internal_value(part) for part in _parts(value)))

    def validate_metrics(self, value: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_parts(value)))


def _parts(value: str) -> list[str]:
    parts = [part.strip() for part in value.split(",")]
    if not all(parts):
        msg = "Join them by single commas."
        raise serializers.ValidationError(msg)
    return parts
