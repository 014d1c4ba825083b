"""Telemetry out: latest values, series, histograms; exact from the moment of a 2xx on."""

from __future__ import annotations

from apps.telemetry.exceptions import (
    RangeError,
    RangeTooLargeError,
    SeriesTooLongError,
    UnknownMetricError,
)
from apps.telemetry.selectors.histogram import Histogram, HistogramQuery, histogram
from apps.telemetry.selectors.latest import LatestValue, latest_json, latest_values, metric_names
from apps.telemetry.selectors.resolution import MAX_POINTS, RESOLUTIONS
from apps.telemetry.selectors.series import (
    AGGREGATIONS,
    DEFAULT_AGGREGATIONS,
    Series,
    SeriesQuery,
    percentile_of,
    series,
)

__all__ = [
    "AGGREGATIONS",
    "DEFAULT_AGGREGATIONS",
    "MAX_POINTS",
    "RESOLUTIONS",
    "Histogram",
    "HistogramQuery",
    "LatestValue",
    "RangeError",
    "RangeTooLargeError",
    "Series",
    "SeriesQuery",
    "SeriesTooLongError",
    "UnknownMetricError",
    "histogram",
    "latest_json",
    "latest_values",
    "metric_names",
    "percentile_of",
    "series",
]
