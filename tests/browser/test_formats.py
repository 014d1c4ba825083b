"""Scripts and pages format dates, times and numbers in the same way."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from urfmp.common.rendering import formats
from urfmp.common.time.local import local_instants

SCRIPTS = Path(__file__).resolve().parents[2] / "urfmp/pages/static/urfmp/js"
# Not Africa/Casablanca: releases of the timezone database disagree about its next years.
ZONES = [
    "UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe",
    "Pacific/Apia",
]  # fmt: skip
INSTANTS = [
    datetime(2026, 10, 25, 0, 30, 17, tzinfo=UTC) + timedelta(minutes=30 * n) for n in range(-3, 5)
] + [
    datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 4, 4, 14, 45, tzinfo=UTC),
    datetime(2026, 4, 4, 15, 15, tzinfo=UTC), datetime(2011, 12, 30, 10, tzinfo=UTC),
    datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 11, 1, 5, tzinfo=UTC),
]  # fmt: skip
VALUES = [
    0, 0.5, 1.25, 2.5, 33.5, 36, 99.95, 100, 100.5, 464243, -1234.5, 0.0123, 0.001, 0.00012,
    1e9, 1.7e308, -3.2e-7,
]  # fmt: skip
LOCAL_TIMES = ["2026-10-25T02:30", "2026-03-29T02:30", "2026-04-05T01:45", "2011-12-30T12:00"]


@pytest.fixture
def evaluate(chromium):
    """Return a function that evaluates an expression with the product's scripts."""
    context = chromium.new_context(timezone_id="America/Lima")

    def run(expression, argument, zone="UTC", locale="en-GB"):
        page = context.new_page()
        page.set_content(
            f'<meta name="urfmp-timezone" content="{zone}">'
            f'<meta name="urfmp-locale" content="{locale}"><p data-zone>Times are {zone}</p>'
        )
        for name in ("format.js", "common.js", "time.js"):
            page.add_script_tag(path=SCRIPTS / name)
        found = page.evaluate(expression, argument)
        page.close()
        return found

    yield run
    context.close()


@pytest.mark.parametrize("zone", ZONES)
def test_times_are_equal(evaluate, zone):
    milliseconds = [int(instant.timestamp() * 1000) for instant in INSTANTS]

    found = evaluate(
        "times => times.map(t => [urfmpFormat.dateTime(t), urfmpFormat.exact(t)])",
        milliseconds,
        zone,
    )

    with timezone.override(zone):
        expected = [
            [formats.format_datetime(at), formats.format_exact_datetime(at)] for at in INSTANTS
        ]
    assert found == expected


@pytest.mark.parametrize("locale", sorted(formats.SEPARATORS))
def test_numbers_are_equal(evaluate, locale):
    found = evaluate(
        "values => values.map(v => [urfmpFormat.value(v), urfmpFormat.value(v, 0)])",
        VALUES,
        locale=locale,
    )

    with formats.number_locale(locale):
        expected = [[formats.format_value(v), formats.format_value(v, 0)] for v in VALUES]
    assert found == json.loads(json.dumps(expected))


@pytest.mark.parametrize("zone", ZONES)
def test_local_times_have_the_same_instants(evaluate, zone):
    found = evaluate("texts => texts.map(text => urfmp.time.instants(text))", LOCAL_TIMES, zone)

    with timezone.override(zone):
        expected = [
            [int(at.timestamp() * 1000) for at in local_instants(datetime.fromisoformat(text))]
            for text in LOCAL_TIMES
        ]
    assert found == expected


def test_days_on_an_axis_begin_at_midnight_on_both_sides_of_a_change(evaluate):
    script = """bounds => {
        const axis = { min: bounds[0], max: bounds[1], width: 800 };
        urfmp.time.ticks(axis);
        return axis.ticks.map(({ value }) => urfmp.time.local(value).slice(11, 16));
    }"""
    bounds = [datetime(2026, 10, 22, tzinfo=UTC), datetime(2026, 10, 29, tzinfo=UTC)]

    found = evaluate(script, [int(at.timestamp() * 1000) for at in bounds], "Europe/Berlin")

    assert len(found) >= 6
    assert set(found) == {"00:00"}


def test_page_says_how_far_the_clock_of_the_browser_is(evaluate):
    script = """() => {
        document.dispatchEvent(new Event("DOMContentLoaded"));
        return document.querySelector("[data-zone]").textContent;
    }"""

    found = evaluate(script, None, "Asia/Kathmandu")

    assert found == "Times are Asia/Kathmandu (your clock: 10 h 45 min earlier)"
    assert evaluate(script, None, "America/Lima") == "Times are America/Lima"
