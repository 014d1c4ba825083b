"""Figures of alerts against a calculation in Python."""

from __future__ import annotations

import csv
import io
import statistics
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.alerts.models import Alert
from apps.alerts.selectors.figures import FiguresBy, alert_figures, alert_totals
from apps.alerts.services.alerts import alert_report
from apps.audit.models import AuditLog

FIGURES = "/admin/alert-figures/"
# Seconds to acknowledge and to resolve, by robot and title.
TIMES = [
    (0, "Hot", 10, 100),
    (0, "Hot", 20, 400),
    (0, "Cold", None, 50),
    (1, "Hot", 90, None),
    (1, "Hot", 40, 900),
    (1, "=Odd", None, None),
]


@pytest.fixture
def history(organization_a, make_facility, make_robot, tenant):
    for number in range(2):
        make_facility(organization_a, name=f"Hall {number}")
    robots = [
        make_robot(organization_a, name=f"R{number}", location={"facility": f"Hall {number}"})
        for number in range(2)
    ]
    start = timezone.now() - timedelta(days=2)
    with tenant(organization_a):
        # Open alerts last: a further report of an open one would be a repeat of it.
        for number, title, acknowledged, resolved in sorted(TIMES, key=lambda row: row[3] is None):
            alert = alert_report(
                organization_id=organization_a.id, robot=robots[number], type="system",
                severity="error", title=title, message="m",
            ).alert  # fmt: skip
            times = {
                f"{name}_at": start + timedelta(seconds=seconds)
                for name, seconds in (("acknowledged", acknowledged), ("resolved", resolved))
                if seconds is not None
            }
            Alert.objects.filter(pk=alert.pk).update(
                created_at=start, is_acknowledged=acknowledged is not None,
                is_resolved=resolved is not None, **times,
            )  # fmt: skip
    return start


def percentiles(values):
    """Return median and 90 % with linear interpolation."""
    values = sorted(values)
    if not values:
        return None, None
    at = 0.9 * (len(values) - 1)
    low, high = values[int(at)], values[min(int(at) + 1, len(values) - 1)]
    return statistics.median(values), low + (high - low) * (at - int(at))


def expected(rows):
    acknowledged = percentiles([row[2] for row in rows if row[2] is not None])
    resolved = percentiles([row[3] for row in rows if row[3] is not None])
    return len(rows), sum(row[3] is None for row in rows), *acknowledged, *resolved


def seconds(figures):
    return (
        figures.alerts,
        figures.open,
        *(
            None if value is None else pytest.approx(value.total_seconds())
            for value in figures.durations
        ),
    )


def test_figures_equal_a_calculation_in_python(history, organization_a, alice, tenant):
    period = {"start": history, "end": timezone.now()}
    with tenant(organization_a):
        rules = alert_figures(alice, by=FiguresBy.RULE, **period)
        robots = alert_figures(alice, by=FiguresBy.ROBOT, **period)
        pairs = alert_figures(alice, by=FiguresBy.ROBOT_AND_RULE, **period)
        halls = alert_figures(alice, by=FiguresBy.FACILITY, **period)
        totals = alert_totals(alice, **period)
        hall = alert_totals(alice, **period, facility="Hall 1")
        none = alert_totals(alice, start=history - timedelta(days=1), end=history)
    assert expected(TIMES) == seconds(totals)
    assert expected(TIMES[3:]) == seconds(hall)
    assert (none.alerts, none.occurrences, none.resolve_median) == (0, 0, None)
    assert rules[0].rule == "Hot"
    for row in rules:
        assert expected([time for time in TIMES if time[1] == row.rule]) == seconds(row)
    for row in robots:
        assert expected([time for time in TIMES if f"R{time[0]}" == row.robot]) == seconds(row)
    for row in halls:
        chosen = [time for time in TIMES if f"Hall {time[0]}" == row.facility]
        assert expected(chosen) == seconds(row)
    assert {(row.robot, row.rule) for row in pairs} == {(f"R{time[0]}", time[1]) for time in TIMES}


def test_figures_page_and_csv(history, organization_a, alice, charlie, client_for, tenant):
    client = client_for(alice)
    html = client.get(FIGURES).content.decode()
    assert "How these figures are calculated" in html
    assert "Hot" in html
    answer = client.get(f"{FIGURES}?by=robot_rule&format=csv")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert len(rows) == 4
    assert {row["rule"] for row in rows} == {"Hot", "Cold", "'=Odd"}
    hot = next(row for row in rows if (row["robot"], row["rule"]) == ("R0", "Hot"))
    assert float(hot["acknowledge_median_seconds"]) == pytest.approx(15)
    with tenant(organization_a):
        record = AuditLog.objects.get(action="alerts.alert.export_figures")
    assert record.request_data["rows"] == 4
    assert "Hot" not in client_for(charlie).get(FIGURES).content.decode()
    assert client.get(f"{FIGURES}?by=x&days=0&facility=x").status_code == 200


def test_figures_page_needs_alerts(organization_a, make_user, client_for):
    limited = make_user(organization_a, role="custom", permissions=["robot.view"])
    assert client_for(limited).get(FIGURES).status_code == 403


def test_figures_query_count(history, alice, client_for, django_assert_max_num_queries):
    client = client_for(alice)
    client.get(FIGURES)
    with django_assert_max_num_queries(12):
        client.get(FIGURES)
