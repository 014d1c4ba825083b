"""Limits on requests without a login."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from apps.accounts.exceptions import TooManyAttemptsError
from urfmp.common.http.client_ip import client_network
from urfmp.common.redis import rate_limit
from urfmp.common.redis.rate_limit import RateLimit

_WINDOW_SECONDS = 15 * 60
# Calendars of a whole facility share one address; only unknown addresses of feeds count.
_MAX_UNKNOWN_PER_NETWORK = 100
_MAX_READS_PER_FEED = 60


@contextmanager
def throttle_unknown_token(ip_address: str | None, purpose: str) -> Iterator[None]:
    """Count one unknown token of a network, looked up inside.

    The attempt is counted first and refunded if the token is known.

    Args:
        ip_address: IP address of the client.
        purpose: What the token is for; each has its own limit.

    Raises:
        TooManyAttemptsError: Too many unknown tokens came from the network.
    """
    name = f"{{{client_network(ip_address)}}}:{purpose}"
    _hit(RateLimit(name, _MAX_UNKNOWN_PER_NETWORK, _WINDOW_SECONDS))
    yield  # an unknown token raises, and counts
    rate_limit.refund(name)


def throttle_feed_read(organization_id: UUID, feed_id: UUID) -> None:
    """Count one read of a calendar feed.

    Raises:
        TooManyAttemptsError: The feed was read too often.
    """
    _hit(RateLimit(f"{{{organization_id}}}:feed:{feed_id}", _MAX_READS_PER_FEED, _WINDOW_SECONDS))


def _hit(limit: RateLimit) -> None:
    result = rate_limit.hit(limit)
    if not result.admitted:
        raise TooManyAttemptsError(result.reset_seconds, is_first_rejection=False)
