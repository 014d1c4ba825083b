"""Decode Prometheus' remote write, versions 1.0 and 2.0, to points."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError

from apps.accounts.models.line_protocol_mapping import LineProtocolMapping
from apps.telemetry.exceptions import MalformedBatchError, TooManyPointsError
from apps.telemetry.protocols.prometheus.messages import RequestV2, WriteRequest
from apps.telemetry.protocols.received_batch import PointSeries, ReceivedBatch, time_of
from apps.telemetry.protocols.tag_mapping import (
    DEFAULT_MAPPING,
    AmbiguousRobotError,
    TagNames,
    robot_reference,
)

# Media types by the parameter `proto` of the content type; version 1 needs none.
MESSAGES = {"": 1, "prometheus.WriteRequest": 1, "io.prometheus.write.v2.Request": 2}
_NAME_LABEL = "__name__"
# Version 2 refers to texts by number, so a small body could have any amount of labels. Prometheus
# sends some hundred characters for a series.
MAX_LABELS = 128
MAX_LABELS_CHARS = 8192
MAX_SYMBOLS = 200_000


class _SentSeries(NamedTuple):
    labels: dict[str, str]
    unit: str | None
    samples: Any
    histograms: Any


def decode_remote_write(
    body: bytes, *, version: int, max_samples: int, mapping: LineProtocolMapping = DEFAULT_MAPPING
) -> ReceivedBatch:
    """Decode a request to points, one for each sample.

    A sample that is not a number marks the end of a series, or is a quotient of zeros. Such a
    sample is dropped and counted.

    Args:
        body: Request, decompressed.
        version: 1 or 2.
        max_samples: Maximum number of samples.
        mapping: The API key's mapping, for labels.

    Raises:
        MalformedBatchError: The body is not a request of this version, or a series has more than
            `MAX_LABELS` labels or `MAX_LABELS_CHARS` characters in them.
        TooManyPointsError: The body has more samples.
    """
    batch = ReceivedBatch()
    for sent in _series_of(body, version):
        count = len(sent.samples) + len(sent.histograms)
        if batch.value_count + count > max_samples:
            msg = f"Send at most {max_samples} samples at once."
            raise TooManyPointsError(msg)
        _add_series(batch, sent, mapping)
    return batch


def _add_series(batch: ReceivedBatch, sent: _SentSeries, mapping: LineProtocolMapping) -> None:
    name = sent.labels.pop(_NAME_LABEL, "")
    series = _point_series(batch, name, sent, mapping)
    for sample in sent.samples:
        if math.isnan(sample.value):
            batch.dropped += 1
        elif isinstance(series, tuple):
            batch.reject(name, *series)
        elif (time := time_of(sample.timestamp * 1000)) is None:
            batch.reject(name, "invalid", "The timestamp is not a time.")
        else:
            batch.add(name, series.point(time, sample.value))
        batch.value_count += 1
    for _ in sent.histograms:
        detail = "Native histograms are not stored. Send classic ones."
        batch.reject(name, "unsupported", detail)
        batch.value_count += 1


def _point_series(
    batch: ReceivedBatch, name: str, sent: _SentSeries, mapping: LineProtocolMapping
) -> PointSeries | tuple[str, str]:
    """Return the series of points, or code and reason of the rejection."""
    if not name:
        return "metric_name", f"The label {_NAME_LABEL} is missing."
    try:
        robot = robot_reference(sent.labels, mapping.robot_tag)
    except AmbiguousRobotError as error:
        return "unknown_robot", str(error)
    names = TagNames(sorted(sent.labels.items()), mapping, batch.renamed)
    metric_name = names.metric_name(name, sent=(name, ""))
    return PointSeries(metric_name, robot, sent.unit, names.metadata)


def _series_of(body: bytes, version: int) -> Iterator[_SentSeries]:
    request = WriteRequest() if version == 1 else RequestV2()
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        msg = f"The body is not a request of remote write {version}.0."
        raise MalformedBatchError(msg) from error
    texts = _Symbols(() if version == 1 else request.symbols)
    for series in request.timeseries:
        if not (series.samples or series.histograms):
            continue
        _require_few_labels(len(series.labels if version == 1 else series.labels_refs), version)
        if version == 1:
            labels, unit = {label.name: label.value for label in series.labels}, None
        else:
            labels = dict(texts.pairs(series.labels_refs))
            unit = texts.text(series.metadata.unit_ref) or None
        _require_short_texts([*labels, *labels.values(), unit or ""])
        yield _SentSeries(labels, unit, series.samples, series.histograms)


def _require_few_labels(count: int, version: int) -> None:
    if count > MAX_LABELS * version:  # version 2 has a reference to the name and one to the value
        msg = f"A series has at most {MAX_LABELS} labels."
        raise MalformedBatchError(msg)


def _require_short_texts(texts: list[str]) -> None:
    if sum(map(len, texts)) > MAX_LABELS_CHARS:
        msg = f"The labels and the unit of a series have at most {MAX_LABELS_CHARS:,} characters."
        raise MalformedBatchError(msg)


class _Symbols:
    """The table of texts of a request of version 2."""

    def __init__(self, symbols: Any) -> None:
        if len(symbols) > MAX_SYMBOLS:
            msg = f"Send at most {MAX_SYMBOLS:,} symbols at once."
            raise MalformedBatchError(msg)
        # The message would make a new text for each reference.
        self._symbols: list[str] = list(symbols)

    def text(self, reference: int) -> str:
        """Return a text; the reference 0 always is the empty one.

        Raises:
            MalformedBatchError: The table has no such text.
        """
        if reference < len(self._symbols):
            return self._symbols[reference]
        if reference == 0:
            return ""
        msg = f"The request refers to the symbol {reference}, which it does not have."
        raise MalformedBatchError(msg)

    def pairs(self, references: Iterable[int]) -> Iterator[tuple[str, str]]:
        """Return names and values of labels.

        Raises:
            MalformedBatchError: A name has no value.
        """
        texts = [self.text(reference) for reference in references]
        if len(texts) % 2:
            msg = "A label has no value."
            raise MalformedBatchError(msg)
        return zip(texts[::2], texts[1::2], strict=True)
