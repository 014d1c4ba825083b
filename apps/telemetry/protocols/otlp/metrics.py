"""Decode metrics of the OpenTelemetry protocol (OTLP) to points.

The attributes of a resource identify the robot; those of a data point become part of the metric's
name, like tags of line protocol. Sums and gauges become one point; histograms and summaries become
points named `.count`, `.sum` and, if they were sent, `.min`, `.max` and the quantiles.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, DataPointFlags

from apps.accounts.models.line_protocol_mapping import LineProtocolMapping
from apps.telemetry.exceptions import MalformedBatchError, TooManyPointsError
from apps.telemetry.protocols.points import INEXACT_INTEGER
from apps.telemetry.protocols.received_batch import PointSeries, ReceivedBatch, time_of
from apps.telemetry.protocols.tag_mapping import (
    DEFAULT_MAPPING,
    AmbiguousRobotError,
    TagNames,
    robot_reference,
)

_NO_VALUE = DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
_DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
_MAX_NESTING = 20
# Names and attributes apply to every data point below them, so a small body could multiply them.
# 128 is the limit of attributes that OpenTelemetry's SDKs have for other signals.
MAX_NAME_CHARS = 1000
MAX_ATTRIBUTES = 128
MAX_ATTRIBUTES_CHARS = 8192
MAX_QUANTILES = 100
_MAX_POINTS_PER_DATA_POINT = 4  # of a histogram; an average for summaries
Tags = dict[str, str]


def parse_request(body: bytes, *, is_json: bool) -> Any:
    """Return the request of a body.

    Unknown members are ignored, as the protocol demands.

    Raises:
        MalformedBatchError: The body is not such a request.
    """
    request = ExportMetricsServiceRequest()
    try:
        if not is_json:
            request.ParseFromString(body)
            return request
        return json_format.Parse(
            body, request, ignore_unknown_fields=True, max_recursion_depth=_MAX_NESTING
        )
    except (DecodeError, json_format.Error, UnicodeDecodeError, RecursionError) as error:
        form = "JSON" if is_json else "protobuf"
        msg = f"The body is not a request with metrics of OTLP as {form}."
        raise MalformedBatchError(msg) from error


def decode_otlp(
    request: Any, *, max_points: int, mapping: LineProtocolMapping = DEFAULT_MAPPING
) -> ReceivedBatch:
    """Decode a request to points.

    Data points without a value are dropped and counted.

    Args:
        request: Request with metrics.
        max_points: Maximum number of data points.
        mapping: The API key's mapping, for attributes.

    Raises:
        MalformedBatchError: A name, or the attributes at one place, are too long.
        TooManyPointsError: The request has more data points, or summaries with too many quantiles.
    """
    batch = ReceivedBatch()
    most_points = _MAX_POINTS_PER_DATA_POINT * max_points
    for resource_metrics in request.resource_metrics:
        resource = _tags(resource_metrics.resource.attributes)
        for scope_metrics in resource_metrics.scope_metrics:
            for metric in scope_metrics.metrics:
                decoder = _MetricDecoder(batch, metric, resource, mapping)
                for data_point in decoder.data_points:
                    if batch.value_count >= max_points or len(batch.names) > most_points:
                        msg = f"Send at most {max_points} data points at once."
                        raise TooManyPointsError(msg)
                    decoder.add(data_point)
                    batch.value_count += 1
    return batch


class _MetricDecoder:
    """Decodes the data points of one metric."""

    def __init__(
        self, batch: ReceivedBatch, metric: Any, resource: Tags, mapping: LineProtocolMapping
    ) -> None:
        if len(metric.name) + len(metric.unit) > MAX_NAME_CHARS:
            msg = f"The name and unit of a metric have at most {MAX_NAME_CHARS:,} characters."
            raise MalformedBatchError(msg)
        self._batch = batch
        self._name = metric.name
        self._unit = metric.unit or None
        self._resource = resource
        self._mapping = mapping
        self._kind = metric.WhichOneof("data")
        data = getattr(metric, self._kind) if self._kind else None
        self.data_points = data.data_points if data is not None else ()
        self._is_delta = getattr(data, "aggregation_temporality", None) == _DELTA

    def add(self, data_point: Any) -> None:
        """Add the points of a data point, or its rejection."""
        is_number = self._kind in {"gauge", "sum"}
        if data_point.flags & _NO_VALUE or (is_number and not data_point.WhichOneof("value")):
            self._batch.dropped += 1
            return
        if issue := self._kind_issue():
            self._batch.reject(self._name, *issue)
            return
        if self._kind == "summary" and len(data_point.quantile_values) > MAX_QUANTILES:
            detail = f"A summary has at most {MAX_QUANTILES} quantiles."
            self._batch.reject(self._name, "invalid", detail)
            return
        time = time_of(data_point.time_unix_nano // 1000) if data_point.time_unix_nano else None
        if time is None:
            self._batch.reject(self._name, "invalid", "The data point has no valid time.")
            return
        tags = _tags(data_point.attributes)
        every = {**self._resource, **tags}
        try:
            robot = robot_reference(every, self._mapping.robot_tag)
        except AmbiguousRobotError as error:
            self._batch.reject(self._name, "unknown_robot", str(error))
            return
        names, metadata = self._names(tags), self._metadata(every)
        for suffix, more_tags, value, has_unit in self._values(data_point):
            if isinstance(value, int) and value != int(float(value)):
                self._batch.reject(self._name, *INEXACT_INTEGER)
                continue
            sent_name = f"{self._name}{suffix}"
            own_names = self._names({**tags, **more_tags}) if more_tags else names
            metric_name = own_names.metric_name(sent_name, sent=(sent_name, ""))
            unit = self._unit if has_unit else None
            series = PointSeries(metric_name, robot, unit, metadata)
            self._batch.add(self._name, series.point(time, float(value)))

    def _kind_issue(self) -> tuple[str, str] | None:
        """Return why data points of this kind are not stored, or None."""
        if not self._name:
            return "metric_name", "The metric has no name."
        if self._is_delta:
            detail = "Delta temporality is not stored. Send cumulative sums and histograms."
            return "unsupported", detail
        if self._kind == "exponential_histogram":
            return "unsupported", "Exponential histograms are not stored."
        return None

    def _names(self, tags: Tags) -> TagNames:
        return TagNames(sorted(tags.items()), self._mapping, self._batch.renamed)

    def _metadata(self, every: Tags) -> Tags | None:
        """Return the metadata, of attributes of the resource too."""
        return {
            tag: every[tag] for tag in sorted(self._mapping.metadata_tags) if tag in every
        } or None

    def _values(self, data_point: Any) -> Iterator[tuple[str, Tags, float | int, bool]]:
        """Yield suffix, further tags, value and use of the unit."""
        if self._kind in {"gauge", "sum"}:
            is_integer = data_point.WhichOneof("value") == "as_int"
            yield "", {}, data_point.as_int if is_integer else data_point.as_double, True
            return
        yield ".count", {}, data_point.count, False
        if self._kind == "summary":
            yield ".sum", {}, data_point.sum, True
            for one in data_point.quantile_values:
                if not math.isnan(one.value):  # nothing was measured
                    yield "", {"quantile": repr(one.quantile)}, one.value, True
            return
        for name in ("sum", "min", "max"):
            if data_point.HasField(name):
                yield f".{name}", {}, getattr(data_point, name), True


def _tags(attributes: Sequence[Any]) -> Tags:
    """Return attributes as tags.

    Raises:
        MalformedBatchError: There are too many, or they are too long.
    """
    if len(attributes) > MAX_ATTRIBUTES:
        msg = f"A resource or data point has at most {MAX_ATTRIBUTES} attributes."
        raise MalformedBatchError(msg)
    tags = {attribute.key: _text(attribute.value) for attribute in attributes}
    if sum(map(len, tags)) + sum(map(len, tags.values())) > MAX_ATTRIBUTES_CHARS:
        msg = f"The attributes at one place have at most {MAX_ATTRIBUTES_CHARS:,} characters."
        raise MalformedBatchError(msg)
    return tags


def _text(value: Any) -> str:
    kind = value.WhichOneof("value")
    if kind == "bool_value":
        return str(value.bool_value).lower()
    if kind in {"string_value", "int_value", "double_value"}:
        return str(getattr(value, kind))
    return str(json_format.MessageToJson(value, indent=None)) if kind else ""
