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
KINDS = [
    "Temperature", "Angle", "Angular velocity", "Speed", "Length", "Power", "Electric current",
    "Voltage", "Energy", "Pressure", "Force", "Torque", "Mass", "Time", "Frequency",
]  # fmt: skip
PAIRS = [(a, b) for kind in KINDS for a in units_of_quantity(kind) for b in units_of_quantity(kind)]


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
def test_values_of_the_standards(value, stored, wanted, expected):
    assert conversion_for(stored, [wanted]).of(value) == pytest.approx(expected, rel=1e-12)


@given(pair=st.sampled_from(PAIRS), value=st.floats(-1e9, 1e9))
def test_there_and_back(pair, value):
    there, back = conversion_for(pair[0], [pair[1]]), conversion_for(pair[1], [pair[0]])

    assert back.convert(there.convert(value)) == pytest.approx(value, rel=1e-9, abs=1e-9)
    assert there.factor > 0, "least and greatest keep their places"


def test_what_is_not_known_stays():
    assert conversion_for("furlong", ["K"]).of(5.0) == 5.0
    assert conversion_for(None, ["K"]).is_identity
    assert conversion_for("W", ["K"]).unit == "W"
    assert conversion_for("Cel", ["K"]).of(None) is None
    assert quantity_of("furlong") is None


@pytest.mark.parametrize("units", [["parsec"], ["K", "Cel"], [""]])
def test_wishes_that_make_no_sense_are_refused(units):
    with pytest.raises(UnknownUnitError):
        check_units(units)


@pytest.fixture
def warm(organization_a, make_robot, tenant):
    """A robot with a temperature, a power, and their points at noon of a day."""
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


def test_api_answers_in_another_unit(warm, bob, client_for):
    answer = ask(
        client_for(bob), warm, unit="[degF],kW", aggregations="avg,count,max", resolution="1m"
    ).json()

    shown = {one["metric_name"]: (one["unit"], one["points"][0][1:]) for one in answer["series"]}
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
def test_api_refuses_units_that_do_not_fit(warm, bob, client_for, parameters, code):
    answer = ask(client_for(bob), warm, **parameters)

    assert (answer.status_code, answer.json()["code"]) == (400, code)
