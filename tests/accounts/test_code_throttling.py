"""Six digits are few: a day has a limit too, and many known devices do not make many attempts."""

from __future__ import annotations

import pytest

from apps.accounts import throttling
from apps.accounts.exceptions import InvalidSecondFactorError, TooManyAttemptsError
from apps.accounts.throttling import SESSION_SCOPE, throttle_code

pytestmark = pytest.mark.django_db

HOUR = 60 * 60


def _reject():
    raise InvalidSecondFactorError


def taken(place, tries):
    """Return how many of so many codes are looked at in a place."""
    for count in range(tries):
        try:
            with throttle_code("alice", place):
                _reject()
        except InvalidSecondFactorError:
            continue
        except TooManyAttemptsError:
            return count
    return tries


@pytest.mark.parametrize("place", [None, SESSION_SCOPE, "device"])
def test_throttle_code_applies_daily_limit(place, monkeypatch):
    monkeypatch.setattr(throttling, "_MAX_CODES_PER_DAY", 3)
    assert taken(place, 5) == 3
    with pytest.raises(TooManyAttemptsError) as refused, throttle_code("alice", place):
        pass
    assert 23 * HOUR < refused.value.retry_after <= 24 * HOUR


def test_throttle_code_admits_ten_in_15_minutes():
    assert taken(None, 12) == 10


def test_throttle_code_shares_limit_across_devices_only(monkeypatch):
    monkeypatch.setattr(throttling, "_MAX_CODES_PER_DAY", 2)
    assert [taken(f"device {number}", 2) for number in range(5)] == [2, 2, 2, 0, 0]
    assert [taken(place, 3) for place in (None, SESSION_SCOPE)] == [2, 2]


@pytest.mark.parametrize("place", [None, SESSION_SCOPE, "device"])
def test_throttle_code_does_not_count_right_codes(place, monkeypatch):
    monkeypatch.setattr(throttling, "_MAX_CODES_PER_DAY", 2)
    monkeypatch.setattr(throttling, "_MAX_BUSY_DEVICES", 1)
    for _ in range(11):
        with throttle_code("alice", place):
            pass
    assert taken(place, 5) == 2
