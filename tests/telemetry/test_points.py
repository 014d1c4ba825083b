"""Checks of points, at the limits of each rule."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from apps.telemetry.exceptions import TooManyPointsError
from apps.telemetry.protocols.json import decode_json, decode_ndjson
from apps.telemetry.protocols.points import (
    MAX_METRIC_NAME_LENGTH,
    MAX_UNIT_LENGTH,
    DecodedBatch,
    Point,
    metric_name_error,
    unit_error,
)
from apps.telemetry.services.telemetry import telemetry_ingest
from urfmp.common.time_bounds import time_error

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OLDEST = NOW - timedelta(days=30)
STEP = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("time", "code"),
    [
        (NOW + timedelta(minutes=5), None),
        (NOW + timedelta(minutes=5) + STEP, "clock_skew"),
        (OLDEST, None),
        (OLDEST - STEP, "too_old"),
    ],
)
def test_parse_time_truncates_to_microseconds(time, code):
    issue = time_error(time, NOW, OLDEST)
    assert (issue and issue[0]) == code


def test_checks_reject_long_names_and_units():
    assert metric_name_error("a" * MAX_METRIC_NAME_LENGTH) is None
    assert metric_name_error("a" * (MAX_METRIC_NAME_LENGTH + 1))[0] == "metric_name"
    assert unit_error("a" * MAX_UNIT_LENGTH) is None
    assert unit_error("a" * (MAX_UNIT_LENGTH + 1))[0] == "unit"


def test_decode_limit_counts_rejected_points():
    good, bad = b'{"metric_name":"a","time":"2026-03-01T12:00:00Z","value":1}', b'{"value":1}'
    for decode, start, between, end in (
        (decode_json, b'{"points":[', b",", b"]}"),
        (decode_ndjson, b"", b"\n", b"\n"),
    ):
        assert len(decode(start + between.join([good, bad]) + end, max_points=2).points) == 1
        for items in ([good, good, good], [good, bad, bad]):
            with pytest.raises(TooManyPointsError):
                decode(start + between.join(items) + end, max_points=2)


@pytest.fixture
def stored(organization_a, make_robot):
    """Return a function that stores points of two robots and returns the result."""
    first, second = make_robot(organization_a), make_robot(organization_a)

    def store(value=1.0, **names):
        time = timezone.now() - timedelta(minutes=1)
        names = {key: getattr({"1": first, "2": second}[who], key) for key, who in names.items()}
        names["robot_id"] = names.pop("pk", None)
        point = Point("a", time, value, **names)
        result = telemetry_ingest(
            organization_id=organization_a.pk, decode=lambda: DecodedBatch([(0, point)])
        )
        return result.accepted or result.rejected[0].code

    return store


def test_resolve_robots_id_and_serial_number_must_match(stored):
    assert stored(pk="1", serial_number="1") == 1
    assert stored(pk="1", serial_number="2") == "unknown_robot"
    assert stored(serial_number="2") == 1


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_encode_rejects_values_that_are_not_finite(stored, value):
    assert stored(value, pk="1") == "not_finite"
