"""Calibration: any similarity is found again from two of its points."""

from __future__ import annotations

import cmath
import math

import pytest
from django.core.exceptions import ValidationError
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from apps.organizations.models.calibration import Calibration, validated_calibration

SIZE = (2000, 1000)
pixels = st.tuples(st.floats(0, SIZE[0]), st.floats(0, SIZE[1]))


def points(first=(0, 0, 0, 0), second=(1000, 0, 50, 0)):
    return [
        dict(zip(("x_px", "y_px", "x_m", "y_m"), point, strict=True)) for point in (first, second)
    ]


@settings(max_examples=100)
@given(
    first=pixels, second=pixels, third=pixels,
    scale=st.floats(1e-3, 10), angle=st.floats(-3.1, 3.1),
    origin=st.tuples(st.floats(-1000, 1000), st.floats(-1000, 1000)),
)  # fmt: skip
def test_similarity_is_found_from_two_points(first, second, third, scale, angle, origin):
    distance = math.dist(first, second)
    assume(distance > 20 and distance * scale > 0.2)

    def metres(point):
        found = cmath.rect(scale, angle) * complex(point[0], -point[1]) + complex(*origin)
        return found.real, found.imag

    calibration = validated_calibration(
        points((*first, *metres(first)), (*second, *metres(second))), *SIZE
    )

    assert calibration.metres_per_pixel == pytest.approx(scale, rel=1e-6)
    assert cmath.exp(1j * calibration.rotation_rad) == pytest.approx(
        cmath.exp(1j * angle), abs=1e-6
    )
    assert calibration.to_metres(*third) == pytest.approx(metres(third), abs=1e-3)
    a, b, c, d, e, f = calibration.matrix()
    x, y = third
    assert (a * x + c * y + e, b * x + d * y + f) == pytest.approx(metres(third), abs=1e-3)
    assert Calibration.from_document(calibration.document()) == calibration


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "two points"),
        (points()[:1], "two points"),
        (points(second=(5, 0, 50, 0)), "same place in the picture"),
        (points(second=(1000, 0, 0.05, 0)), "same coordinates"),
        (points(second=(2001, 0, 50, 0)), "outside of the picture"),
        (points(second=(1000, -1, 50, 0)), "outside of the picture"),
        (points(second=(1000, 0, 2e6, 0)), "between -1,000,000"),
        (points(second=(1000, 0, math.nan, 0)), "consists of"),
        (points(second=(1000, 0, math.inf, 0)), "consists of"),
        (points(second=(1000, 0, True, 0)), "consists of"),
        ([{"x_px": 1}, {}], "consists of"),
        (["a", "b"], "consists of"),
    ],
)
def test_unusable_points_are_rejected(value, message):
    with pytest.raises(ValidationError, match=message):
        validated_calibration(value, *SIZE)
