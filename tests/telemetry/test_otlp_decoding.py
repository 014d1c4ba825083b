"""Requests of OpenTelemetry as protobuf and as JSON."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from apps.accounts.models.line_protocol_mapping import LineProtocolMapping
from apps.telemetry.exceptions import MalformedBatchError, TooManyPointsError
from apps.telemetry.protocols.otlp.metrics import (
    MAX_ATTRIBUTES,
    MAX_ATTRIBUTES_CHARS,
    MAX_NAME_CHARS,
    MAX_QUANTILES,
    decode_otlp,
    parse_request,
)

AT = 1_772_366_400_123_456_789
TIME = datetime.fromtimestamp(AT // 10**9, UTC).replace(microsecond=123_456)


def point(**values):
    return {"timeUnixNano": str(AT), **values}


def attributes(**values):
    return [{"key": key, "value": value} for key, value in values.items()]


def request(*metrics, resource=()):
    return {
        "resourceMetrics": [
            {
                "resource": {"attributes": attributes(**dict(resource))},
                "scopeMetrics": [{"metrics": [*metrics], "unknownMember": 1}],
            }
        ]
    }


def gauge(name, *points, unit=""):
    return {"name": name, "unit": unit, "gauge": {"dataPoints": [*points]}}


def decode(document, mapping=None, *, is_json=True, max_points=1000):
    message = json_format.ParseDict(
        document, ExportMetricsServiceRequest(), ignore_unknown_fields=True
    )
    body = json_format.MessageToJson(message).encode() if is_json else message.SerializeToString()
    return decode_otlp(
        parse_request(body, is_json=is_json),
        max_points=max_points,
        mapping=mapping or LineProtocolMapping(),
    )


@pytest.mark.parametrize("is_json", [True, False])
def test_gauges_and_sums_become_points(is_json):
    robot = {"robot": {"stringValue": "SN-1"}, "firmware": {"stringValue": "5.9"}}
    document = request(
        gauge("battery.charge", point(asDouble=0.5), unit="1"),
        {
            "name": "joint.moves",
            "sum": {
                "aggregationTemporality": 2,
                "isMonotonic": True,
                "dataPoints": [point(asInt="7", attributes=attributes(axis={"intValue": "3"}))],
            },
        },
        resource=robot.items(),
    )
    mapping = LineProtocolMapping(metadata_tags=frozenset({"firmware"}), prefix="otel.")
    batch = decode(document, mapping, is_json=is_json)
    assert batch.rejected == []
    assert [
        (p.metric_name, p.time, p.value, p.serial_number, p.unit, p.metadata)
        for _, p in batch.points
    ] == [
        ("otel.battery.charge", TIME, 0.5, "SN-1", "1", {"firmware": "5.9"}),
        ("otel.joint.moves.axis.3", TIME, 7.0, "SN-1", None, {"firmware": "5.9"}),
    ]


def test_histograms_and_summaries_become_several_points():
    document = request(
        {
            "name": "cycle.time",
            "unit": "s",
            "histogram": {
                "aggregationTemporality": 2,
                "dataPoints": [
                    point(
                        count="3", sum=6.0, min=1.0, bucketCounts=["1", "2"], explicitBounds=[2.0]
                    )
                ],
            },
        },
        {
            "name": "wait",
            "summary": {
                "dataPoints": [
                    point(count="2", sum=5.0, quantileValues=[{"quantile": 0.5, "value": 2.5}])
                ]
            },
        },
        resource={"robot": {"stringValue": "SN-1"}}.items(),
    )
    batch = decode(document)
    found = {p.metric_name: (p.value, p.unit) for _, p in batch.points}
    (quantile,) = {name for name in found if "quantile" in name}
    assert found.pop(quantile) == (2.5, None)
    assert quantile.startswith("wait.quantile.0_5__h")
    assert found == {
        "cycle.time.count": (3.0, None),
        "cycle.time.sum": (6.0, "s"),
        "cycle.time.min": (1.0, "s"),
        "wait.count": (2.0, None),
        "wait.sum": (5.0, None),
    }
    assert batch.values == [0, 0, 0, 1, 1, 1]


def test_data_points_that_cannot_be_stored_are_rejected_with_their_reason():
    delta = {"aggregationTemporality": 1, "dataPoints": [point(asDouble=1.0)]}
    document = request(
        {"name": "moves", "sum": delta},
        {"name": "h", "exponentialHistogram": {"dataPoints": [point(count="1")]}},
        gauge("", point(asDouble=1.0)),
        gauge("a", {"asDouble": 1.0}, point(asInt=str(2**53 + 1))),
        gauge("b", point(asDouble=1.0, attributes=attributes(robot_id={"stringValue": "x"}))),
        gauge("c", point(flags=1), point()),
    )
    batch = decode(document)
    assert [(one.code, batch.values[one.index]) for one in batch.rejected] == [
        ("unsupported", 0),
        ("unsupported", 1),
        ("metric_name", 2),
        ("invalid", 3),
        ("not_exact", 4),
        ("unknown_robot", 5),
    ]
    assert "elta" in batch.rejected[0].detail
    assert (batch.points, batch.dropped, batch.value_count) == ([], 2, 8)
    with pytest.raises(TooManyPointsError):
        decode(document, max_points=7)


def test_attributes_of_any_type_distinguish_series():
    values = [
        {"stringValue": "true"}, {"boolValue": True}, {"doubleValue": 0.5}, {"intValue": "-1"},
        {"arrayValue": {"values": [{"intValue": "1"}]}}, {"bytesValue": "aGk="},
        {"kvlistValue": {"values": attributes(a={"intValue": "1"})}}, {},
    ]  # fmt: skip
    points = [point(asDouble=1.0, attributes=attributes(x=value)) for value in values]
    names = [p.metric_name for _, p in decode(request(gauge("a", *points))).points]
    assert names[0] == names[1] == "a.x.true"
    assert len(set(names)) == len(values) - 1


@given(st.binary(max_size=60) | st.sampled_from([b"[]", b"null", b"[" * 5000, b'{"a":NaN}', b"{"]))
def test_any_body_is_parsed_or_rejected(body):
    for is_json in (True, False):
        try:
            decode_otlp(parse_request(body, is_json=is_json), max_points=10)
        except (MalformedBatchError, TooManyPointsError) as error:
            assert error.message


TEXT = {"stringValue": "x" * MAX_ATTRIBUTES_CHARS}
MANY = {f"attribute{number}": {"boolValue": True} for number in range(MAX_ATTRIBUTES + 1)}


@pytest.mark.parametrize(
    "document",
    [
        request(gauge("x" * (MAX_NAME_CHARS + 1), point(asDouble=1))),
        request(gauge("a", point(asDouble=1), unit="x" * MAX_NAME_CHARS)),
        request(gauge("a", point(asDouble=1)), resource={"text": TEXT}),
        request(gauge("a", point(asDouble=1, attributes=attributes(text=TEXT)))),
        request(gauge("a", point(asDouble=1)), resource=MANY),
        request(gauge("a", point(asDouble=1, attributes=attributes(**MANY)))),
    ],
    ids=["name", "unit", "resource", "attribute", "resources", "attributes"],
)
def test_texts_that_each_data_point_repeats_are_limited(document):
    with pytest.raises(MalformedBatchError, match="at most"):
        decode(document)


def summary(*quantiles):
    values = [{"quantile": quantile, "value": 1} for quantile in quantiles]
    return {"name": "a", "summary": {"dataPoints": [point(count="1", quantileValues=values)]}}


def test_quantiles_are_limited():
    found = decode(request(summary(*[0.5] * (MAX_QUANTILES + 1))))
    assert [one.code for one in found.rejected] == ["invalid"]
    with pytest.raises(TooManyPointsError):
        decode(request(*[summary(*[0.5] * MAX_QUANTILES)] * 2), max_points=20)
