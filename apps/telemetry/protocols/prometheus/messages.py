"""Protobuf messages of remote write.

Source: the specifications of Prometheus, remote write 1.0 and 2.0.
"""

from __future__ import annotations

from typing import Any

from apps.telemetry.protocols.protobuf import (
    DOUBLE,
    INT64,
    MANY,
    ONE,
    STRING,
    UINT32,
    Messages,
    message_class,
)

_SAMPLE = {"value": (1, DOUBLE, ONE), "timestamp": (2, INT64, ONE)}
_VERSION_1: Messages = {
    "WriteRequest": {"timeseries": (1, "TimeSeries", MANY)},
    "TimeSeries": {
        "labels": (1, "Label", MANY),
        "samples": (2, "Sample", MANY),
        "histograms": (4, "Histogram", MANY),
    },
    "Label": {"name": (1, STRING, ONE), "value": (2, STRING, ONE)},
    "Sample": _SAMPLE,
    "Histogram": {},
}
_VERSION_2: Messages = {
    "Request": {"symbols": (4, STRING, MANY), "timeseries": (5, "TimeSeries", MANY)},
    "TimeSeries": {
        "labels_refs": (1, UINT32, MANY),
        "samples": (2, "Sample", MANY),
        "histograms": (3, "Histogram", MANY),
        "metadata": (5, "Metadata", ONE),
    },
    "Sample": _SAMPLE,
    "Histogram": {},
    "Metadata": {"unit_ref": (4, UINT32, ONE)},
}

WriteRequest: Any = message_class("prometheus", _VERSION_1, "WriteRequest")
RequestV2: Any = message_class("io.prometheus.write.v2", _VERSION_2, "Request")
