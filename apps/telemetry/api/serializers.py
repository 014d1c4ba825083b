from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.telemetry.selectors import MAX_POINTS


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
