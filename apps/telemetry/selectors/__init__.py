"""Telemetry out: latest values, series, histograms; exact from the moment of a 2xx on."""

from __future__ import annotations

from apps.telemetry.selectors.histogram import Histogram, HistogramQuery, histogram
from apps.telemetry.selectors.latest import LatestValue, latest_json, latest_values, metric_names
from apps.telemetry.selectors.resolution import (
    MAX_POINTS,
    RESOLUTIONS,
    RangeError,
    TooManyPointsError,
)
from apps.telemetry.selectors.series import (
    AGGREGATIONS,
    DEFAULT_AGGREGATIONS,
    RangeTooLargeError,
    Series,
    SeriesQuery,
    UnknownMetricError,
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
    "TooManyPointsError",
    "UnknownMetricError",
    "histogram",
    "latest_json",
    "latest_values",
    "metric_names",
    "percentile_of",
    "series",
]
