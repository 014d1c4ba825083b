"""Read telemetry; acknowledged points are visible at once."""

from __future__ import annotations

from apps.telemetry.exceptions import (
    InvalidRangeError,
    RangeTooLargeError,
    SeriesTooLongError,
    UnknownMetricError,
)
from apps.telemetry.selectors.histogram import Histogram, HistogramQuery, get_histogram
from apps.telemetry.selectors.latest import LatestValue, latest_json, latest_values, metric_names
from apps.telemetry.selectors.resolution import MAX_POINTS_PER_SERIES, RESOLUTIONS
from apps.telemetry.selectors.series import (
    AGGREGATIONS,
    DEFAULT_AGGREGATIONS,
    Series,
    SeriesQuery,
    get_series,
    parse_percentile,
)

__all__ = [
    "AGGREGATIONS",
    "DEFAULT_AGGREGATIONS",
    "MAX_POINTS_PER_SERIES",
    "RESOLUTIONS",
    "Histogram",
    "HistogramQuery",
    "InvalidRangeError",
    "LatestValue",
    "RangeTooLargeError",
    "Series",
    "SeriesQuery",
    "SeriesTooLongError",
    "UnknownMetricError",
    "get_histogram",
    "get_series",
    "latest_json",
    "latest_values",
    "metric_names",
    "parse_percentile",
]
