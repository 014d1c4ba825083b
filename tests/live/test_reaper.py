"""Streams that the reaper closes or checks because of the time."""

from __future__ import annotations

import asyncio
import time
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from urfmp.live.authentication import PresentedCredential, StreamScope
from urfmp.live.reaper import is_expired, needs_permission_check
from urfmp.live.registry import StreamConnection


def connect(left=None, *, is_platform_staff=False):
    """Return an open connection whose session expires in `left` seconds, or never."""
    expires_at = None if left is None else timezone.now() + timedelta(seconds=left)
    scope = StreamScope(
        uuid.uuid4(), uuid.uuid4(), None, expires_at, is_platform_staff=is_platform_staff
    )

    async def make():
        return StreamConnection(PresentedCredential("token", is_session=True), scope)

    return asyncio.run(make())


@pytest.mark.parametrize(("left", "expected"), [(None, False), (60, False), (0, True), (-60, True)])
def test_connection_with_expired_session_is_expired(left, expected):
    assert is_expired(connect(left), time.monotonic()) is expected


@pytest.mark.parametrize(("seconds", "expected"), [(29, False), (31, True)])
def test_connection_with_stalled_send_is_expired(seconds, expected):
    connection = connect()
    connection.sending_since = time.monotonic()
    assert is_expired(connection, connection.sending_since + seconds) is expected


@pytest.mark.parametrize(
    ("is_platform_staff", "seconds", "expected"),
    [(False, 59, False), (False, 61, True), (True, 0.4, False), (True, 0.6, True)],
)
def test_permission_check_is_more_frequent_for_platform_staff(is_platform_staff, seconds, expected):
    connection = connect(is_platform_staff=is_platform_staff)
    assert needs_permission_check(connection, connection.checked_at + seconds) is expected
