"""Local times that repeat or do not exist; limits of local days.

When a clock goes back, some local times occur twice; when it goes forward, some do not occur. A
local time therefore has two, one or no instants.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from django.core.exceptions import ValidationError
from django.utils import timezone

FIRST_MONDAY = date(2000, 1, 3)
_SECOND = timedelta(seconds=1)


def local_instants(value: datetime, zone: tzinfo | None = None) -> list[datetime]:
    """Return the instants of a local time: none, one or two.

    Args:
        value: Local time without offset.
        zone: Its timezone; by default the active one.
    """
    zone = zone or timezone.get_current_timezone()
    found: list[datetime] = []
    for fold in (0, 1):
        instant = value.replace(tzinfo=zone, fold=fold)
        try:
            returned = instant.astimezone(UTC).astimezone(zone).replace(tzinfo=None)
        except OverflowError:  # the first or the last day of the calendar
            return [value.replace(tzinfo=zone)]
        is_known = any(instant.utcoffset() == other.utcoffset() for other in found)
        if returned == value.replace(fold=0) and not is_known:
            found.append(instant)
    return found


def offset_text(instant: datetime) -> str:
    """Return the UTC offset as in ISO 8601, such as `+02:00`."""
    return instant.isoformat(timespec="minutes")[16:]


def offset_choices(value: datetime | None, zone: tzinfo | None = None) -> list[tuple[str, str]]:
    """Return offset and label of both instants of a repeated time."""
    instants = local_instants(value, zone) if value is not None else []
    if len(instants) < 2:
        return []
    labels = ("First", "Second")
    texts = [offset_text(instant) for instant in instants]
    return [(text, f"{label}, UTC{text}") for label, text in zip(labels, texts, strict=True)]


def resolve_local(value: datetime, *, latest: bool = False, offset: str = "") -> datetime:
    """Return the instant of a local time, in UTC.

    The timezone is the active one. In it, Python would compare repeated times by their clocks.

    Args:
        value: Local time without offset.
        latest: Select the second instant of a repeated time that `offset` does not select.
        offset: UTC offset such as `+02:00`, which selects the instant of a repeated time.

    Raises:
        ValidationError: The clock skips the time.
    """
    instants = local_instants(value)
    if not instants:
        raise ValidationError(_skipped_message(value), code="skipped_time")
    selected = [instant for instant in instants if offset_text(instant) == offset]
    instant = (selected or instants)[-1 if latest and not selected else 0]
    try:
        return instant.astimezone(UTC)
    except OverflowError:  # the first or the last day of the calendar
        return instant


def resolve_exact_local(value: datetime, *, offset: str = "") -> datetime:
    """Return a local time's instant; repeated times need an offset.

    Raises:
        ValidationError: The clock skips the time, or repeats it and the offset is neither of both.
    """
    choices = offset_choices(value)
    if choices and offset not in dict(choices):
        msg = (
            f"{value:%H:%M} occurs twice on this day because the clock goes back. "
            "Choose the first or the second."
        )
        raise ValidationError(msg, code="repeated_time")
    return resolve_local(value, offset=offset)


def recurring_instant(value: datetime, zone: tzinfo) -> datetime:
    """Return the instant of a recurring local time, in UTC.

    As RFC 5545 (section 3.3.5) defines it: a repeated time is its first occurrence, and a time that
    the clock skips has the offset before the gap.
    """
    return value.replace(tzinfo=zone, fold=0).astimezone(UTC)


def _skipped_message(value: datetime) -> str:
    zone = timezone.get_current_timezone()
    # With fold=0 Python uses the offset before the gap, with fold=1 the one after it.
    first = value.replace(tzinfo=zone, fold=1).astimezone(UTC).astimezone(zone)
    after = value.replace(tzinfo=zone, fold=0).astimezone(UTC).astimezone(zone)
    is_day = after.date() > first.date() and first.date() != value.date() != after.date()
    name = timezone.get_current_timezone_name()
    if is_day:
        return f"This day does not exist in {name}: the calendar skips it. Choose another day."
    return (
        f"{value:%H:%M} does not exist on this day in {name}: the clock goes forward. "
        f"Enter {after:%H:%M} or another time."
    )


def start_of_day(day: date, zone: tzinfo) -> datetime:
    """Return the instant at which a local day begins, in UTC.

    Where the clock skips midnight, the day begins later. Where it goes back across midnight, the
    day begins the second time.
    """
    midnight = datetime.combine(day, time())
    instants = [instant.astimezone(UTC) for instant in local_instants(midnight, zone)]
    if len(instants) == 2:
        before = (instants[1] - _SECOND).astimezone(zone)
        return instants[1 if before.date() < day else 0]
    return instants[0] if instants else _end_of_gap(midnight, zone)


def _end_of_gap(skipped: datetime, zone: tzinfo) -> datetime:
    """Return the instant at which the clock skips a local time."""
    # Read with the offset after the gap, the time is before it, and the other way round.
    low = skipped.replace(tzinfo=zone, fold=1).astimezone(UTC)
    high = skipped.replace(tzinfo=zone, fold=0).astimezone(UTC)
    while high - low > _SECOND:
        middle = low + (high - low) // 2 // _SECOND * _SECOND
        if middle.astimezone(zone).replace(tzinfo=None) < skipped:
            low = middle
        else:
            high = middle
    return high


def day_limits(start: datetime, end: datetime, zone: tzinfo, *, days: int = 1) -> list[datetime]:
    """Return the limits of the local days that overlap a range.

    Args:
        start: Start of the range.
        end: End of the range, exclusive.
        zone: Timezone of the days.
        days: Number of days in a period. Periods are counted from Monday, 3 January 2000.
    """
    step = timedelta(days=days)
    day = start.astimezone(zone).date()
    day -= (day - FIRST_MONDAY) % step
    while start_of_day(day, zone) > start:
        day -= step
    limits = [start_of_day(day, zone)]
    while limits[-1] < end:
        day += step
        limit = start_of_day(day, zone)
        if limit > limits[-1]:  # a day that the calendar skips has no length
            limits.append(limit)
    return limits


def are_whole_hours(limits: Sequence[datetime]) -> bool:
    """Return whether all limits are full hours of UTC."""
    return all(not (limit.minute or limit.second) for limit in limits)
