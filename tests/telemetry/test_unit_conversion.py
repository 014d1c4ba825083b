"""Conversions for display, against values from the standards."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from apps.telemetry.protocols.points import DecodedBatch, Point
from apps.telemetry.services.telemetry import telemetry_ingest
from urfmp.common.units import (
    UnknownUnitError,
    check_units,
    conversion_for,
    quantity_of,
    units_of_quantity,
)

NOON = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=12)
QUANTITIES = [
    "Temperature", "Angle", "Angular velocity", "Speed", "Length", "Power", "Electric current",
    "Voltage", "Energy", "Pressure", "Force", "Torque", "Mass", "Time", "Frequency",
]  # fmt: skip
PAIRS = [
    (a, b)
    for quantity in QUANTITIES
    for a in units_of_quantity(quantity)
    for b in units_of_quantity(quantity)
]


@pytest.mark.parametrize(
    ("value", "stored", "wanted", "expected"),
    [
        (100.0, "Cel", "[degF]", 212.0),
        (-40.0, "Cel", "[degF]", -40.0),
        (0.0, "Cel", "K", 273.15),
        (32.0, "[degF]", "K", 273.15),
        (math.pi, "rad", "deg", 180.0),
        (math.pi, "rad/s", "deg/s", 180.0),
        (2 * math.pi, "rad/s", "{rev}/min", 60.0),
        (1.0, "m/s", "km/h", 3.6),
        (0.25, "m/s", "mm/s", 250.0),
        (25.4, "mm", "[in_i]", 1.0),
        (0.3048, "m", "[ft_i]", 1.0),
        (1500.0, "W", "kW", 1.5),
        (0.5, "A", "mA", 500.0),
        (1.0, "bar", "kPa", 100.0),
        (1.0, "[psi]", "Pa", 6894.757293168361),
        (1.0, "kWh", "MJ", 3.6),
        (1.0, "kW.h", "kJ", 3600.0),
        (1.0, "[lbf_av]", "N", 4.4482216152605),
        (1.0, "kg", "[lb_av]", 2.2046226218487757),
    ],
)
def test_conversion_matches_standards(value, stored, wanted, expected):
    assert conversion_for(stored, [wanted]).convert(value) == pytest.approx(expected, rel=1e-12)


@given(pair=st.sampled_from(PAIRS), value=st.floats(-1e9, 1e9))
def test_conversion_round_trip_keeps_value(pair, value):
    there, back = conversion_for(pair[0], [pair[1]]), conversion_for(pair[1], [pair[0]])

    assert back.convert(there.convert(value)) == pytest.approx(value, rel=1e-9, abs=1e-9)
    assert there.factor > 0, "least and greatest keep their places"


def test_conversion_unknown_unit_is_identity():
    assert conversion_for("furlong", ["K"]).convert(5.0) == 5.0
    assert conversion_for(None, ["K"]).is_identity
    assert conversion_for("W", ["K"]).unit == "W"
    assert conversion_for("Cel", ["K"]).convert(None) is None
    assert quantity_of("furlong") is None


@pytest.mark.parametrize("units", [["parsec"], ["K", "Cel"], [""]])
def test_check_units_invalid_is_rejected(units):
    with pytest.raises(UnknownUnitError):
        check_units(units)


@pytest.fixture
def warm_robot(organization_a, make_robot, tenant):
    """A robot with a temperature and a power, each with points at noon."""
    robot = make_robot(organization_a)
    points = [
        (0, Point(name, NOON, value, robot_id=robot.pk, unit=unit))
        for name, value, unit in (
            ("temperature.controller", 40.0, "Cel"),
            ("power.total", 1500.0, "W"),
        )
    ]
    telemetry_ingest(organization_id=organization_a.id, decode=lambda: DecodedBatch(points))
    return robot


def ask(client, robot, **parameters):
    return client.get(
        f"/api/v1/robots/{robot.pk}/telemetry/series",
        {
            "metrics": "temperature.controller,power.total",
            "start": (NOON - timedelta(minutes=5)).isoformat(),
            "end": (NOON + timedelta(minutes=5)).isoformat(),
            **parameters,
        },
    )


def test_api_series_converts_units(warm_robot, bob, client_for):
    response = ask(
        client_for(bob), warm_robot, unit="[degF],kW", aggregations="avg,count,max", resolution="1m"
    ).json()

    shown = {one["metric_name"]: (one["unit"], one["points"][0][1:]) for one in response["series"]}
    assert shown == {
        "temperature.controller": ("[degF]", [104.0, 1, 104.0]),
        "power.total": ("kW", [1.5, 1, 1.5]),
    }


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"unit": "parsec"}, "invalid"),
        ({"unit": "K,Cel"}, "invalid"),
        ({"unit": "bar"}, "unknown_unit"),
        ({"unit": "K", "aggregations": "sum"}, "unknown_unit"),
    ],
)
def test_api_series_mismatched_units_get_400(warm_robot, bob, client_for, parameters, code):
    response = ask(client_for(bob), warm_robot, **parameters)

    assert (response.status_code, response.json()["code"]) == (400, code)
