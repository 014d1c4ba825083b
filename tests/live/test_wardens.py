"""When a stream is over by the clock alone."""

from __future__ import annotations

import asyncio
import time
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from urfmp.live.authentication import Credential, Subscriber
from urfmp.live.reaper import _is_due, _is_over
from urfmp.live.registry import Client


def client(left=None, *, roams=False):
    """Return an open stream whose session ends in so many seconds, or never."""
    expires_at = None if left is None else timezone.now() + timedelta(seconds=left)
    subscriber = Subscriber(uuid.uuid4(), uuid.uuid4(), None, expires_at, roams=roams)

    async def make():
        return Client(Credential("token", is_key=False), subscriber)

    return asyncio.run(make())


@pytest.mark.parametrize(("left", "is_over"), [(None, False), (60, False), (0, True), (-60, True)])
def test_a_stream_is_over_with_its_session(left, is_over):
    assert _is_over(client(left), time.monotonic()) is is_over


@pytest.mark.parametrize(("seconds", "is_over"), [(29, False), (31, True)])
def test_a_client_that_stops_reading_is_given_up(seconds, is_over):
    stream = client()
    stream.sending_since = time.monotonic()
    assert _is_over(stream, stream.sending_since + seconds) is is_over


@pytest.mark.parametrize(
    ("roams", "seconds", "is_due"),
    [(False, 59, False), (False, 61, True), (True, 0.4, False), (True, 0.6, True)],
)
def test_rights_are_looked_up_again_sooner_of_who_goes_about(roams, seconds, is_due):
    stream = client(roams=roams)
    assert _is_due(stream, stream.checked_at + seconds) is is_due
