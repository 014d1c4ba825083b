"""Bounds of the times that robots and other senders give."""

from __future__ import annotations

from datetime import datetime, timedelta

# How far a sender's clock may be ahead.
MAX_CLOCK_SKEW = timedelta(minutes=5)

Issue = tuple[str, str]
"""A stable error code, and a sentence."""


def time_error(time: datetime, now: datetime, oldest: datetime) -> Issue | None:
    """Return why a time cannot be stored, or None.

    Args:
        time: Time by the sender's clock.
        now: Current time.
        oldest: Oldest time that the organization keeps.
    """
    if time > now + MAX_CLOCK_SKEW:
        minutes = MAX_CLOCK_SKEW // timedelta(minutes=1)
        return (
            "clock_skew",
            f"The time is more than {minutes} minutes in the future. Check the sender's clock.",
        )
    if time < oldest:
        return (
            "too_old",
            f"The time is before {oldest:%Y-%m-%d %H:%M} UTC, the oldest that is kept.",
        )
    return None
