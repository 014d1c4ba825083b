from __future__ import annotations

from typing import Any
from uuid import UUID

from rest_framework import serializers

from apps.telemetry.export_formats import FORMATS
from apps.telemetry.selectors import MAX_POINTS
from urfmp.common.fields import validate_moment


class LatestValueSerializer(serializers.Serializer[Any]):
    metric_name = serializers.CharField()
    value = serializers.FloatField(allow_null=True)
    unit = serializers.CharField(allow_null=True)
    time = serializers.DateTimeField()


class LatestSerializer(serializers.Serializer[Any]):
    values = LatestValueSerializer(many=True)


class SeriesParametersSerializer(serializers.Serializer[Any]):
    metrics = serializers.CharField(
        max_length=2000, help_text="Names, joined by commas; at most 20."
    )
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    max_points = serializers.IntegerField(min_value=1, max_value=MAX_POINTS, default=500)

    def validate_metrics(self, value: str) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
        if not 1 <= len(names) <= 20:
            msg = "Name 1 to 20 metrics."
            raise serializers.ValidationError(msg)
        return names


class OneSeriesSerializer(serializers.Serializer[Any]):
    metric_name = serializers.CharField()
    unit = serializers.CharField(allow_null=True)
    resolution_seconds = serializers.IntegerField(help_text="0 for points as they were sent.")
    points = serializers.ListField(
        child=serializers.ListField(), help_text="[time, average, least, greatest], oldest first."
    )


class SeriesSerializer(serializers.Serializer[Any]):
    series = OneSeriesSerializer(many=True)


class ExportParametersSerializer(serializers.Serializer[Any]):
    format = serializers.ChoiceField(choices=list(FORMATS))
    start = serializers.DateTimeField(validators=[validate_moment])
    end = serializers.DateTimeField(validators=[validate_moment])
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
