from __future__ import annotations

import os
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apps.maintenance.choices import Frequency, ScheduleAnchor, Weekday
from apps.maintenance.selectors.next_due import (
    CalendarAnchors,
    CalendarLeg,
    calendar_next_due,
    calendar_preview,
    meter_carry,
)
from tests.support import schedule_model

# Gaps and repeated hours at other hours, by half an hour, and at midnight.
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "UTC"]
BERLIN = ZoneInfo("Europe/Berlin")
MAX_EXAMPLES = int(os.environ.get("SCHEDULE_EXAMPLES", "150"))

times = st.sampled_from([time(0), time(0, 30), time(2, 15), time(2, 30), time(8), time(23, 59)])
days = st.dates(date(2022, 1, 1), date(2025, 12, 31))
instants = st.integers(0, 4 * 365 * 86_400).map(
    lambda seconds: datetime(2023, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)


@st.composite
def legs(draw):
    frequency = draw(st.sampled_from(Frequency.values))
    anchor = draw(st.sampled_from(ScheduleAnchor.values))
    is_fixed = anchor == ScheduleAnchor.FIXED
    weekdays = st.lists(st.sampled_from(Weekday.values), unique=True).map(tuple)
    month_days = st.none() | st.integers(1, 31) | st.integers(28, 31)
    return CalendarLeg(
        frequency=frequency,
        interval=draw(st.integers(1, 3 if frequency == Frequency.YEARLY else 14)),
        starts_on=draw(days | st.sampled_from([date(2024, 2, 29), date(2023, 1, 31)])),
        time_of_day=draw(times),
        weekdays=draw(weekdays) if frequency == Frequency.WEEKLY and is_fixed else (),
        month_day=draw(month_days) if frequency == Frequency.MONTHLY and is_fixed else None,
        anchor=anchor,
    )


@settings(max_examples=MAX_EXAMPLES, deadline=None)
@example(
    leg=CalendarLeg("monthly", 1, date(2023, 1, 31), time(2, 30)),
    zone="Europe/Berlin",
    created=datetime(2024, 3, 1, tzinfo=UTC),
    closed=datetime(2024, 3, 10, tzinfo=UTC),
    late=timedelta(days=-3),
)
@given(
    leg=legs(),
    zone=st.sampled_from(ZONES),
    created=instants,
    closed=st.none() | instants,
    late=st.timedeltas(timedelta(days=-40), timedelta(days=100)),
)
def test_next_due_equals_plain_model(leg, zone, created, closed, late):
    place = ZoneInfo(zone)
    last_due = closed and closed - late
    expected = schedule_model.next_due(leg, place, created, last_due, closed)
    assert calendar_next_due(leg, CalendarAnchors(created, last_due, closed), place) == expected


@pytest.mark.parametrize(
    ("leg", "now", "expected"),
    [
        (  # 08:00 remains 08:00 across daylight saving
            CalendarLeg("weekly", 1, date(2026, 3, 16), weekdays=("sunday",)),
            datetime(2026, 3, 20, tzinfo=UTC),
            ["2026-03-22T07:00Z", "2026-03-29T06:00Z", "2026-04-05T06:00Z"],
        ),
        (  # the clock skips 02:30: the offset before the gap applies
            CalendarLeg("daily", 1, date(2026, 3, 28), time(2, 30)),
            datetime(2026, 3, 27, 12, tzinfo=UTC),
            ["2026-03-28T01:30Z", "2026-03-29T01:30Z", "2026-03-30T00:30Z"],
        ),
        (  # 02:30 occurs twice: the first counts
            CalendarLeg("yearly", 1, date(2020, 10, 25), time(2, 30)),
            datetime(2026, 10, 1, tzinfo=UTC),
            ["2026-10-25T00:30Z", "2027-10-25T00:30Z", "2028-10-25T00:30Z"],
        ),
        (  # the last day of each month
            CalendarLeg("monthly", 1, date(2026, 1, 1), month_day=31),
            datetime(2026, 1, 10, tzinfo=UTC),
            ["2026-01-31T07:00Z", "2026-02-28T07:00Z", "2026-03-31T06:00Z"],
        ),
        (
            CalendarLeg("yearly", 1, date(2024, 2, 29)),
            datetime(2026, 6, 1, tzinfo=UTC),
            ["2027-02-28T07:00Z", "2028-02-29T07:00Z", "2029-02-28T07:00Z"],
        ),
    ],
)
def test_preview_lists_local_times(leg, now, expected):
    found = calendar_preview(leg, now, BERLIN, 3)
    assert [due.strftime("%Y-%m-%dT%H:%MZ") for due in found] == expected


@pytest.mark.parametrize(
    ("closed", "fixed", "floating"),
    [("2026-04-20", "2026-06-01", "2026-05-20"), ("2026-06-10", "2026-07-01", "2026-07-10")],
)
def test_early_and_late_completion_moves_only_the_floating_leg(closed, fixed, floating):
    created = datetime(2026, 4, 2, tzinfo=UTC)
    last_due = datetime(2026, 5, 1, 6, tzinfo=UTC)
    anchors = CalendarAnchors(created, last_due, datetime.fromisoformat(f"{closed}T10:00+00:00"))
    for anchor, expected in (("fixed", fixed), ("floating", floating)):
        leg = CalendarLeg("monthly", 1, date(2026, 4, 1), anchor=anchor)
        assert str(calendar_next_due(leg, anchors, BERLIN).date()) == expected


@pytest.mark.parametrize(
    ("running", "measured", "fixed"),
    [(130, 100, 30), (250, 100, 50), (60, 0, 60), (98, 100, -2), (100, 100, 0)],
)
def test_meter_carry_keeps_planned_values(running, measured, fixed):
    assert meter_carry(100, running, measured, ScheduleAnchor.FIXED) == fixed
    assert meter_carry(100, running, measured, ScheduleAnchor.FLOATING) == 0
