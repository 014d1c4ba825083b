"""Local times and days, in zones with unusual offsets."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from urfmp.common.time.fields import LocalDateTimeField, LocalSplitDateTimeField, split_local
from urfmp.common.time.local import (
    day_limits,
    local_instants,
    offset_choices,
    resolve_exact_local,
    resolve_local,
    start_of_day,
)

# Offsets of 45 and 30 minutes, a change of 30 minutes, a skipped day, a change in Ramadan, changes
# at midnight and at one minute after it.
ZONES = (
    "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia",
    "Africa/Casablanca", "America/Sao_Paulo", "America/Havana", "Pacific/Chatham", "UTC",
)  # fmt: skip
zones = st.sampled_from(ZONES).map(ZoneInfo)
FIRST = datetime(2000, 1, 2, tzinfo=UTC)
instants = st.integers(0, 60 * 366 * 86_400).map(lambda value: FIRST + timedelta(seconds=value))
# Hypothesis rarely hits a change by chance.
changes = st.sampled_from(
    [
        "2026-10-25T00:30", "2026-10-25T01:30", "2026-03-29T01:00", "2026-04-04T15:00",
        "2010-11-07T02:30", "2010-11-07T02:31", "2011-12-30T09:59", "2011-12-30T10:00",
        "2026-03-22T02:00", "2018-11-04T03:00", "2026-11-01T04:30", "2026-11-01T05:30",
    ]
).map(lambda text: datetime.fromisoformat(f"{text}Z"))  # fmt: skip


@given(zone=zones, instant=instants | changes)
def test_every_instant_survives_its_local_form(zone, instant):
    with timezone.override(zone):
        day, clock, offset = split_local(instant)
        returned = LocalSplitDateTimeField().clean([str(day), str(clock), offset])

        assert returned == instant


@given(zone=zones, instant=instants | changes)
def test_stored_instant_is_kept_without_offset(zone, instant):
    field = LocalSplitDateTimeField()
    field.unchanged = instant
    with timezone.override(zone):
        day, clock, _ = split_local(instant)

        assert field.clean([str(day), str(clock), None]) == instant


@given(zone=zones, local=(instants | changes).map(lambda value: value.replace(tzinfo=None)))
def test_local_time_has_at_most_two_instants_and_they_differ(zone, local):
    found = local_instants(local, zone)

    assert all(i.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == local for i in found)
    assert len({i.astimezone(UTC) for i in found}) == len(found) <= 2
    assert [i.astimezone(UTC) for i in found] == sorted(i.astimezone(UTC) for i in found)
    with timezone.override(zone):
        if not found:
            with pytest.raises(ValidationError, match="does not exist"):
                resolve_local(local)
        else:
            assert resolve_local(local) == found[0]
            assert resolve_local(local, latest=True) == found[-1]
            for offset, _ in offset_choices(local):
                assert resolve_exact_local(local, offset=offset) == resolve_local(
                    local, offset=offset, latest=True
                )


@given(zone=zones, start=instants | changes, hours=st.integers(1, 24 * 40), days=st.integers(1, 28))
def test_days_cover_a_range_without_gaps(zone, start, hours, days):
    end = start + timedelta(hours=hours)

    limits = day_limits(start, end, zone, days=days)

    assert limits == sorted(set(limits))
    assert limits[0] <= start < limits[1]
    assert limits[-2] < end <= limits[-1]
    for limit in limits:
        local = limit.astimezone(zone)
        assert (limit - timedelta(seconds=1)).astimezone(zone).date() < local.date()
    for first, last in pairwise(limits):
        length = last - first
        assert (
            abs(length - timedelta(days=days)) <= timedelta(hours=1) or zone.key == "Pacific/Apia"
        )


@pytest.mark.parametrize(
    ("zone", "day", "start", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 29), "2026-03-28T23:00", 23),
        ("Europe/Berlin", date(2026, 10, 25), "2026-10-24T22:00", 25),
        ("Asia/Kathmandu", date(2026, 3, 29), "2026-03-28T18:15", 24),
        ("Australia/Lord_Howe", date(2026, 4, 5), "2026-04-04T13:00", 24.5),
        ("America/Sao_Paulo", date(2018, 11, 4), "2018-11-04T03:00", 23),
        ("America/Havana", date(2026, 11, 1), "2026-11-01T04:00", 25),
        ("America/St_Johns", date(2010, 11, 6), "2010-11-06T02:30", 25),
        ("Pacific/Apia", date(2011, 12, 29), "2011-12-29T10:00", 24),
    ],
)
def test_day_has_its_start_and_length(zone, day, start, hours):
    begins = start_of_day(day, ZoneInfo(zone))
    following = day + timedelta(days=1 if day != date(2011, 12, 29) else 2)

    assert f"{begins:%Y-%m-%dT%H:%M}" == start
    assert start_of_day(following, ZoneInfo(zone)) - begins == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("zone", "text", "message"),
    [
        ("Europe/Berlin", "2026-03-29T02:30", "02:30 does not exist on this day in Europe/Berlin"),
        ("Australia/Lord_Howe", "2026-10-04T02:15", "Enter 02:45 or another time"),
        ("Pacific/Apia", "2011-12-30T12:00", "This day does not exist in Pacific/Apia"),
    ],
)
def test_skipped_time_is_explained(zone, text, message):
    with timezone.override(zone), pytest.raises(ValidationError, match=message):
        LocalDateTimeField().clean(text)


@pytest.mark.parametrize(
    "text", ["x", "2026-13-01T00:00", "2026-10-25", "0001-01-01T00:00", "9999-12-31T23:59"]
)
@pytest.mark.parametrize("zone", ["Pacific/Apia", "America/St_Johns"])
def test_any_text_is_a_time_or_an_error(zone, text):
    with timezone.override(zone):
        try:
            LocalDateTimeField().clean(text)
        except ValidationError:
            assert text != "2026-10-25"
        else:
            assert text == "2026-10-25"
