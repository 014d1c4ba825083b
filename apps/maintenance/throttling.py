"""Limits on requests without a login."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from apps.accounts.exceptions import TooManyAttemptsError
from apps.accounts.throttling import throttle_unknown_token
from urfmp.common.redis import rate_limit
from urfmp.common.redis.rate_limit import RateLimit

_WINDOW_SECONDS = 15 * 60
# Calendars of a whole facility share one address; only unknown addresses of feeds count.
_MAX_UNKNOWN_PER_NETWORK = 100
_MAX_READS_PER_FEED = 60
# Phones of a facility share one address too; only unknown labels count against it.
_MAX_UNKNOWN_LABELS_PER_NETWORK = 100
_MAX_REQUESTS_PER_LABEL = 10
_MAX_REQUESTS_PER_ORGANIZATION = 100


@contextmanager
def throttle_unknown_feed(ip_address: str | None) -> Iterator[None]:
    """Count one unknown address of a calendar feed, looked up inside.

    Raises:
        TooManyAttemptsError: Too many unknown addresses came from the network.
    """
    with throttle_unknown_token(ip_address, "feeds", _MAX_UNKNOWN_PER_NETWORK):
        yield


def throttle_feed_read(organization_id: UUID, feed_id: UUID) -> None:
    """Count one read of a calendar feed.

    Raises:
        TooManyAttemptsError: The feed was read too often.
    """
    name = f"{{{organization_id}}}:feed:{feed_id}"
    result = rate_limit.hit(RateLimit(name, _MAX_READS_PER_FEED, _WINDOW_SECONDS))
    if not result.admitted:
        raise TooManyAttemptsError(result.reset_seconds, is_first_rejection=False)


@contextmanager
def throttle_unknown_label(ip_address: str | None) -> Iterator[None]:
    """Count one unknown address of a robot's label, looked up inside.

    Raises:
        TooManyAttemptsError: Too many unknown addresses came from the network.
    """
    with throttle_unknown_token(ip_address, "labels", _MAX_UNKNOWN_LABELS_PER_NETWORK):
        yield


def throttle_label_request(organization_id: UUID, label_id: UUID) -> None:
    """Count one work request of a label and of its organization.

    Raises:
        TooManyAttemptsError: Too many requests came from the label, or from all of them.
    """
    prefix = f"{{{organization_id}}}"
    result = rate_limit.hit(
        RateLimit(f"{prefix}:label:{label_id}", _MAX_REQUESTS_PER_LABEL, _WINDOW_SECONDS),
        RateLimit(f"{prefix}:labels", _MAX_REQUESTS_PER_ORGANIZATION, _WINDOW_SECONDS),
    )
    if not result.admitted:
        raise TooManyAttemptsError(result.reset_seconds, is_first_rejection=False)
