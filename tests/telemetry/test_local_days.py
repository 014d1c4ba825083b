"""Buckets of local days against a plain model, in zones with unusual offsets."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.telemetry.selectors import SeriesQuery, SeriesTooLongError, get_series
from apps.telemetry.selectors.resolution import HOURS, MINUTES, plan_bucket_slices
from apps.telemetry.services.pending_work import Consumer, pending_work_claim
from apps.telemetry.services.rollups import roll_up, work_items_roll_up
from tests.support.telemetry_points import insert_points
from urfmp.common.time.local import day_limits, start_of_day

METRIC = "power.total"
# A zone and the start of a range in which its clock changes.
CHANGES = [
    ("Europe/Berlin", date(2025, 10, 24)),
    ("Europe/Berlin", date(2026, 3, 27)),
    ("Asia/Kathmandu", date(2026, 1, 10)),
    ("America/St_Johns", date(2025, 10, 31)),
    ("Australia/Lord_Howe", date(2026, 4, 3)),
    ("Pacific/Apia", date(2026, 1, 10)),
    ("Africa/Casablanca", date(2026, 2, 13)),
]
DAY_SECONDS = 86_400
points = st.dictionaries(
    st.integers(0, 4 * DAY_SECONDS * 4 - 1).map(lambda quarter: quarter / 4),
    st.floats(-1e6, 1e6),
    min_size=1,
    max_size=25,
)


@pytest.fixture
def robot(organization_a, make_robot, tenant):
    robot = make_robot(organization_a)
    with tenant(organization_a):
        yield robot


def model(found, zone, start, end):
    """Return the values of each local day by its start."""
    days = defaultdict(list)
    for time, value in sorted(found):
        if start <= time < end:
            days[start_of_day(time.astimezone(zone).date(), zone)].append(value)
    return sorted(days.items())


def read(robot, zone, start, end, **more):
    query = SeriesQuery(
        (robot.pk,), (METRIC,), start, end, aggregations=("count", "min", "max", "sum", "p50"),
        **{"resolution_seconds": DAY_SECONDS, **more}, timezone=zone.key,
    )  # fmt: skip
    (series,) = get_series(query)
    return series.points


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    change=st.sampled_from(CHANGES),
    early=points,
    late=points,
    seconds=st.tuples(st.integers(0, 4 * DAY_SECONDS), st.integers(0, 4 * DAY_SECONDS)).filter(
        lambda pair: pair[0] < pair[1]
    ),
)
def test_local_days_match_the_model(robot, change, early, late, seconds):
    zone, day = ZoneInfo(change[0]), change[1]
    origin = start_of_day(day, zone)
    start, end = (origin + timedelta(seconds=second) for second in seconds)
    with transaction.atomic():
        stored = {origin + timedelta(seconds=second): value for second, value in early.items()}
        insert_points(robot, METRIC, stored.items())
        items = pending_work_claim(Consumer.ROLLED_UP, max_items=100, max_weight=10**6)
        work_items_roll_up(robot.organization_id, items)
        # These points are not rolled up yet.
        more = {origin + timedelta(seconds=second): value for second, value in late.items()}
        more = {time: value for time, value in more.items() if time not in stored}
        insert_points(robot, METRIC, more.items())
        found = read(robot, zone, start, end)
        transaction.set_rollback(True)

    expected = model({**stored, **more}.items(), zone, start, end)
    assert [(time, count) for time, count, *_ in found] == [(t, len(v)) for t, v in expected]
    for (_, _, minimum, maximum, total, median), (_, values) in zip(found, expected, strict=True):
        assert (minimum, maximum) == (min(values), max(values))
        assert total == pytest.approx(sum(values), abs=1e-3)
        assert median == sorted(values)[(len(values) + 1) // 2 - 1]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2025, 10, 26), 25),
        ("Asia/Kathmandu", date(2026, 3, 29), 24),
        ("America/St_Johns", date(2026, 3, 8), 23),
    ],
)
@pytest.mark.parametrize("is_rolled_up", [True, False])
def test_day_has_as_many_points_as_hours(
    organization_a, make_robot, tenant, zone, day, hours, is_rolled_up
):
    """A point every 15 minutes: the day of the change has more or fewer of them."""
    robot = make_robot(organization_a)
    begins = start_of_day(day, ZoneInfo(zone))
    times = [begins + timedelta(minutes=15 * n) for n in range(-40, 24 * 4 + 80)]
    insert_points(robot, METRIC, [(time, 1.0) for time in times])
    if is_rolled_up:
        roll_up(organization_a.id)

    with tenant(organization_a):
        found = read(robot, ZoneInfo(zone), times[0], times[-1])

    counts = {time: count for time, count, *_ in found}
    assert counts[begins] == hours * 4


def test_weeks_begin_on_the_local_monday(robot):
    zone = ZoneInfo("Asia/Kathmandu")
    sunday = datetime(2026, 1, 11, 18, 10, tzinfo=UTC)  # 23:55 in Kathmandu
    insert_points(robot, METRIC, [(sunday, 1.0), (sunday + timedelta(minutes=10), 2.0)])

    found = read(
        robot, zone, sunday - timedelta(days=2), sunday + timedelta(days=2),
        resolution_seconds=7 * DAY_SECONDS,
    )  # fmt: skip

    assert [time.astimezone(zone).isoformat() for time, *_ in found] == [
        "2026-01-05T00:00:00+05:45",
        "2026-01-12T00:00:00+05:45",
    ]


def test_too_many_local_days_are_rejected(robot):
    start = datetime(2026, 1, 1, tzinfo=UTC)
    insert_points(robot, METRIC, [(start, 1.0)])

    with pytest.raises(SeriesTooLongError):
        read(robot, ZoneInfo("Asia/Kathmandu"), start, start + timedelta(days=10), max_points=10)


def test_automatic_width_respects_the_maximum_in_any_zone(robot):
    start = datetime(2026, 1, 1, tzinfo=UTC)
    times = [start + timedelta(days=n) for n in range(10)]
    insert_points(robot, METRIC, [(time, 1.0) for time in times])

    found = read(
        robot, ZoneInfo("Asia/Kathmandu"), start, start + timedelta(days=10),
        max_points=10, resolution_seconds=None,
    )  # fmt: skip

    assert sum(count for _, count, *_ in found) == 10
    assert len(found) <= 10


def test_days_of_odd_offsets_are_read_from_minutes_and_hours():
    zone = ZoneInfo("Asia/Kathmandu")
    start = datetime(2026, 1, 1, tzinfo=UTC)
    limits = day_limits(start, start + timedelta(days=30), zone)

    slices = plan_bucket_slices(limits[0], limits[-1], limits, [])

    assert {part.level for part in slices} == {HOURS, MINUTES}
    minutes = sum(part.end - part.start for part in slices if part.level == MINUTES)
    assert minutes / 1e6 / 60 == 60 * (len(limits) - 1)


@pytest.mark.parametrize(
    ("zone", "status"),
    [("Asia/Kathmandu", 200), ("UTC", 200), ("x", 400), ("", 400), ("a\x00", 400), ("y" * 99, 400)],
)
def test_series_accepts_names_of_timezones(
    organization_a, make_robot, alice, client_for, zone, status
):
    robot = make_robot(organization_a)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    insert_points(robot, METRIC, [(start, 1.0)])

    response = client_for(alice).get(
        f"/api/v1/robots/{robot.pk}/telemetry/series",
        {
            "metrics": METRIC,
            "start": start.isoformat(),
            "end": (start + timedelta(days=2)).isoformat(),
            "resolution": "1d",
            "timezone": zone,
        },
    )

    assert response.status_code == status


@pytest.mark.parametrize("zone", ["Pacific/Apia", "America/St_Johns"])
def test_any_range_is_accepted_with_a_timezone(robot, zone):
    start = datetime(2026, 1, 1, tzinfo=UTC)
    insert_points(robot, METRIC, [(start, 1.0)])
    first = datetime.min.replace(tzinfo=UTC)
    last = datetime.max.replace(tzinfo=UTC)

    found = read(robot, ZoneInfo(zone), first, last, max_points=2, resolution_seconds=None)

    assert [count for _, count, *_ in found] == [1]
