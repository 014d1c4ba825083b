"""What is drawn together, in which unit, and how it is told apart."""

from __future__ import annotations

from uuid import uuid4

from urfmp.pages.charts import Measured, charts_for

ONE, TWO = uuid4(), uuid4()


def of(robot, *metrics):
    return [Measured(robot, "One" if robot is ONE else "Two", *metric) for metric in metrics]


def test_metrics_of_one_kind_and_unit_are_drawn_together():
    charts = charts_for(
        of(
            ONE,
            ("joint.10.current", "A"),
            ("joint.2.current", "A"),
            ("temperature.controller", "Cel"),
            ("safety.protective_stop", None),
            ("my.own_metric", "bar"),
        )
    )

    assert [(chart.title, chart.unit) for chart in charts] == [
        ("Temperatures", "°C"),
        ("Joint currents", "A"),
        ("Safety", ""),
        ("my.own_metric", "bar"),
    ]
    assert charts[1].metrics == ["joint.2.current", "joint.10.current"]
    assert charts[2].is_flag


def test_robots_are_told_apart_by_colour_where_they_share_one_metric():
    metric = ("temperature.controller", "Cel")

    (chart,) = charts_for([*of(ONE, metric), *of(TWO, metric)])

    assert [(line.label, line.colour, line.dash) for line in chart.lines] == [
        ("One", 0, 0),
        ("Two", 1, 0),
    ]


def test_robots_are_told_apart_by_dashes_where_they_share_several():
    metrics = [("joint.1.current", "A"), ("joint.2.current", "A")]

    (chart,) = charts_for([*of(ONE, *metrics), *of(TWO, *metrics)])

    assert [(line.label, line.colour, line.dash) for line in chart.lines] == [
        ("One · Joint 1", 0, 0),
        ("Two · Joint 1", 0, 1),
        ("One · Joint 2", 1, 0),
        ("Two · Joint 2", 1, 1),
    ]


def test_two_axes_at_most():
    metrics = [
        ("temperature.controller", "Cel"),
        ("power.total", "W"),
        ("current.total", "A"),
        ("temperature.ambient", "Cel"),
        ("program.running", None),
    ]

    charts = charts_for(of(ONE, *metrics), together=True)

    assert [chart.units for chart in charts] == [("°C", "W"), ("A",), ("",)]
    assert [line.axis for line in charts[0].lines] == [0, 0, 1]
    assert [chart.is_flag for chart in charts] == [False, False, True]


def test_a_unit_is_chosen_for_its_kind_alone():
    metrics = [("temperature.controller", "Cel"), ("power.total", "W"), ("my.own", "furlong")]

    charts = charts_for(of(ONE, *metrics), ["[degF]", "kW"])

    shown = {
        chart.title: (line.unit, line.factor, line.offset)
        for chart in charts
        for line in chart.lines
    }
    assert shown == {
        "Temperatures": ("°F", 1.8, 32.0),
        "Power": ("kW", 0.001, 0.0),
        "my.own": ("furlong", 1.0, 0.0),
    }
