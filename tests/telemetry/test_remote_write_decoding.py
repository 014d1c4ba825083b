"""Requests of remote write beside a plain model of their samples."""

from __future__ import annotations

import math
import struct
from datetime import UTC, datetime, timedelta

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.models.line_protocol_mapping import LineProtocolMapping
from apps.telemetry.exceptions import (
    BatchTooLargeError,
    MalformedBatchError,
    MalformedEncodingError,
    TooManyPointsError,
)
from apps.telemetry.protocols.prometheus import remote_write
from apps.telemetry.protocols.prometheus.messages import RequestV2, WriteRequest
from apps.telemetry.protocols.prometheus.remote_write import (
    MAX_LABELS,
    MAX_LABELS_CHARS,
    decode_remote_write,
)
from apps.telemetry.protocols.prometheus.snappy import decompress_snappy
from apps.telemetry.protocols.tag_mapping import metric_name_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAPPING = LineProtocolMapping(
    robot_tag="instance", metadata_tags=frozenset({"firmware"}), dropped_tags=frozenset({"job"})
)
(STALE,) = struct.unpack("<d", bytes.fromhex("020000000000f07f"))


def request_1(series):
    request = WriteRequest()
    for labels, _, samples in series:
        one = request.timeseries.add()
        for name, value in labels.items():
            one.labels.add(name=name, value=value)
        for at, value in samples:
            one.samples.add(timestamp=at, value=value)
    return request.SerializeToString()


def request_2(series):
    request = RequestV2(symbols=[""])
    for labels, unit, samples in series:
        one = request.timeseries.add()
        for text in (part for pair in labels.items() for part in pair):
            one.labels_refs.append(len(request.symbols))
            request.symbols.append(text)
        if unit:
            one.metadata.unit_ref = len(request.symbols)
            request.symbols.append(unit)
        for at, value in samples:
            one.samples.add(timestamp=at, value=value)
    return request.SerializeToString()


REQUESTS = {1: request_1, 2: request_2}
SERIES = st.lists(
    st.tuples(
        st.fixed_dictionaries(
            {"__name__": st.sampled_from(["up", "Temp:max", "a_b"])},
            optional={
                "instance": st.sampled_from(["SN-1", "01234567-89ab-cdef-0123-456789abcdef"]),
                "job": st.just("robots"),
                "axis": st.sampled_from(["1", "É"]),
                "firmware": st.just("5.9"),
            },
        ),
        st.sampled_from([None, "Cel"]),
        st.lists(
            st.tuples(
                st.integers(-(10**12), 10**13),
                st.floats(allow_nan=False) | st.sampled_from([STALE, math.nan]),
            ),
            max_size=5,
        ),
    ),
    max_size=5,
)


@given(series=SERIES, version=st.sampled_from([1, 2]))
def test_samples_become_points(series, version):
    batch = decode_remote_write(
        REQUESTS[version](series), version=version, max_samples=1000, mapping=MAPPING
    )
    expected, dropped = [], 0
    for labels, unit, samples in series:
        parts = labels["__name__"].split(".")
        parts += [*(("axis", labels["axis"]) if "axis" in labels else ())]
        for at, value in samples:
            if math.isnan(value):
                dropped += 1
                continue
            expected.append(
                (
                    metric_name_of(parts),
                    EPOCH + timedelta(milliseconds=at),
                    value,
                    labels.get("instance"),
                    unit if version == 2 else None,
                    {"firmware": "5.9"} if "firmware" in labels else None,
                )
            )
    assert [
        (
            point.metric_name,
            point.time,
            point.value,
            point.serial_number or (str(point.robot_id) if point.robot_id else None),
            point.unit,
            point.metadata,
        )
        for _, point in batch.points
    ] == expected
    assert (batch.dropped, batch.rejected) == (dropped, [])
    assert [index for index, _ in batch.points] == [*range(len(expected))]


def test_invalid_series_are_rejected_beside_good_ones():
    at = [(1_700_000_000_000, 1.0)]
    request = WriteRequest()
    request.ParseFromString(
        request_1(
            [
                ({"instance": "SN-1"}, None, at),
                ({"__name__": "a", "robot_id": "x"}, None, at),
                ({"__name__": "a", "instance": "SN-1", "serial_number": "SN-2"}, None, at),
                ({"__name__": "a", "instance": "SN-1"}, None, [(2**62, 1.0), *at]),
            ]
        )
    )
    request.timeseries[3].histograms.add()
    body = request.SerializeToString()
    batch = decode_remote_write(body, version=1, max_samples=6, mapping=MAPPING)
    assert [(one.index, one.code) for one in batch.rejected] == [
        (0, "metric_name"),
        (1, "unknown_robot"),
        (2, "unknown_robot"),
        (3, "invalid"),
        (5, "unsupported"),
    ]
    assert [index for index, _ in batch.points] == [4]
    with pytest.raises(TooManyPointsError):
        decode_remote_write(body, version=1, max_samples=5, mapping=MAPPING)


@pytest.mark.parametrize("version", [1, 2])
@given(body=st.binary(max_size=60))
def test_any_body_is_decoded_or_rejected(version, body):
    try:
        decode_remote_write(body, version=version, max_samples=10)
    except (MalformedBatchError, TooManyPointsError) as error:
        assert error.message


def test_missing_symbols_are_rejected():
    for references in ([1, 2], [1]):
        request = RequestV2(symbols=["", "__name__"])
        series = request.timeseries.add(labels_refs=references)
        series.samples.add(timestamp=1, value=1)
        with pytest.raises(MalformedBatchError):
            decode_remote_write(request.SerializeToString(), version=2, max_samples=10)


@given(st.binary(max_size=2000))
def test_snappy_bodies_are_decompressed(body):
    compressed = bytes(cramjam.snappy.compress_raw(body))
    assert decompress_snappy(compressed, max_bytes=2000) == body
    if body:
        with pytest.raises(BatchTooLargeError):
            decompress_snappy(compressed, max_bytes=len(body) - 1)


@given(st.binary(min_size=1, max_size=40))
def test_any_body_is_decompressed_or_rejected(body):
    try:
        assert len(decompress_snappy(body, max_bytes=1000)) <= 1000
    except (MalformedEncodingError, BatchTooLargeError) as error:
        assert error.message


def test_labels_that_multiply_a_small_body_are_rejected():
    text = "x" * 1000
    many = RequestV2(symbols=["", text])
    series = many.timeseries.add(labels_refs=[1] * 2 * (MAX_LABELS + 1))
    series.samples.add(timestamp=1, value=1)
    long = RequestV2(symbols=["", *(f"{number}{text}" for number in range(10))])
    series = long.timeseries.add(labels_refs=range(1, 11))
    series.samples.add(timestamp=1, value=1)
    unit = RequestV2(symbols=["", "x" * (MAX_LABELS_CHARS + 1)])
    series = unit.timeseries.add()
    series.metadata.unit_ref = 1
    series.samples.add(timestamp=1, value=1)
    labels = [({f"label{number}": "" for number in range(MAX_LABELS + 1)}, None, [(1, 1.0)])]
    bodies = [(2, request.SerializeToString()) for request in (many, long, unit)]
    for version, body in [*bodies, (1, request_1(labels))]:
        with pytest.raises(MalformedBatchError, match="at most"):
            decode_remote_write(body, version=version, max_samples=10)


def test_series_without_samples_cost_nothing():
    request = RequestV2(symbols=["", "x" * 1000])
    for _ in range(1000):
        request.timeseries.add(labels_refs=[1] * 1000)
    found = decode_remote_write(request.SerializeToString(), version=2, max_samples=10)
    assert (found.points, found.rejected, found.value_count) == ([], [], 0)


def test_too_many_symbols_are_rejected(monkeypatch):
    monkeypatch.setattr(remote_write, "MAX_SYMBOLS", 2)
    body = RequestV2(symbols=["", "a", "b"]).SerializeToString()
    with pytest.raises(MalformedBatchError, match="symbols"):
        decode_remote_write(body, version=2, max_samples=10)
