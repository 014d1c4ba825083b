"""Grouping of metrics into charts, their units, colours and dashes."""

from __future__ import annotations

from uuid import uuid4

from urfmp.pages.charts import RobotMetric, charts_for

ONE, TWO = uuid4(), uuid4()


def robot_metrics(robot, *metrics):
    return [RobotMetric(robot, "One" if robot is ONE else "Two", *metric) for metric in metrics]


def test_metrics_of_same_quantity_and_unit_share_chart():
    charts = charts_for(
        robot_metrics(
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
    assert charts[2].is_boolean


def test_robots_with_one_metric_differ_by_colour():
    metric = ("temperature.controller", "Cel")

    (chart,) = charts_for([*robot_metrics(ONE, metric), *robot_metrics(TWO, metric)])

    assert [(line.label, line.colour, line.dash) for line in chart.lines] == [
        ("One", 0, 0),
        ("Two", 1, 0),
    ]


def test_robots_with_several_metrics_differ_by_dashes():
    metrics = [("joint.1.current", "A"), ("joint.2.current", "A")]

    (chart,) = charts_for([*robot_metrics(ONE, *metrics), *robot_metrics(TWO, *metrics)])

    assert [(line.label, line.colour, line.dash) for line in chart.lines] == [
        ("One · Joint 1", 0, 0),
        ("Two · Joint 1", 0, 1),
        ("One · Joint 2", 1, 0),
        ("Two · Joint 2", 1, 1),
    ]


def test_combined_chart_has_at_most_two_axes():
    metrics = [
        ("temperature.controller", "Cel"),
        ("power.total", "W"),
        ("current.total", "A"),
        ("temperature.ambient", "Cel"),
        ("program.running", None),
    ]

    charts = charts_for(robot_metrics(ONE, *metrics), combined=True)

    assert [chart.units for chart in charts] == [("°C", "W"), ("A",), ("",)]
    assert [line.axis for line in charts[0].lines] == [0, 0, 1]
    assert [chart.is_boolean for chart in charts] == [False, False, True]


def test_selected_unit_applies_to_its_quantity_only():
    metrics = [("temperature.controller", "Cel"), ("power.total", "W"), ("my.own", "furlong")]

    charts = charts_for(robot_metrics(ONE, *metrics), ["[degF]", "kW"])

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
