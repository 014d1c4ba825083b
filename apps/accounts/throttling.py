"""Limits on API requests, authentication attempts, link requests and outgoing mail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.conf import settings

from apps.accounts.exceptions import (
    OutgoingMailLimitError,
    PasswordHashingOverloadedError,
    TooManyAttemptsError,
)
from apps.accounts.selectors.credentials import KeyCredential, login_identity
from urfmp.common.http.client_ip import client_network
from urfmp.common.redis import rate_limit, sliding_window
from urfmp.common.redis.rate_limit import RateLimit, RateLimitResult
from urfmp.common.redis.sliding_window import SlidingWindow

SESSION_SCOPE = "session"  # client scope of logged-in users

_MINUTE_SECONDS = 60
_HOUR_SECONDS = 60 * _MINUTE_SECONDS
_DAY_SECONDS = 24 * _HOUR_SECONDS

_MAX_ATTEMPTS = 10
_ATTEMPT_WINDOW_SECONDS = 15 * _MINUTE_SECONDS
# Trusted devices that may use all of their attempts in one window; any number may exist.
_MAX_BUSY_DEVICES = 3
_MAX_CODES_PER_DAY = 50
_MAX_LINKS_PER_ACCOUNT = 5
_MAX_LINKS_PER_NETWORK = 50
_LINK_WINDOW_SECONDS = _HOUR_SECONDS
_MAX_MAILS_PER_ADDRESS = 5
_MAX_MAILS_PER_ORGANIZATION = 500
_MAIL_ADDRESS_WINDOW_SECONDS = _HOUR_SECONDS


def throttle_api_request(credential: KeyCredential) -> RateLimitResult | None:
    """Count one request for an API key and its organization.

    If one of the two has reached its limit, neither counts the request.

    Returns:
        None if neither has a limit.
    """
    # Redis Cluster hashes only the part in braces, so one script may use both counters.
    prefix = f"{{{credential.organization_id}}}"
    limits = []
    if credential.rate_limit is not None:
        limits.append(RateLimit(f"{prefix}:key:{credential.id}", credential.rate_limit))
    if settings.ORGANIZATION_RATE_LIMIT:
        limits.append(RateLimit(f"{prefix}:keys", settings.ORGANIZATION_RATE_LIMIT))
    return rate_limit.hit(*limits) if limits else None


def throttle_code(account_hash: str, client_scope: str | None) -> None:
    """Count one code of a second factor before it is verified.

    Six digits are few, so a daily limit applies as well.

    Args:
        account_hash: `LoginIdentity.account_hash` of the user.
        client_scope: Trusted device or `SESSION_SCOPE`, which have attempts of their own; None for
            all other clients together.

    Raises:
        TooManyAttemptsError: The attempts within this client scope are used up.
    """
    name = f"{{{account_hash}}}:code:{client_scope or ''}"
    window = _attempt_window(name)
    result = sliding_window.hit(window)
    if not result.admitted:
        raise _too_many_attempts(name, result.reset_seconds)
    daily = rate_limit.hit(RateLimit(f"{name}:day", _MAX_CODES_PER_DAY, _DAY_SECONDS))
    if not daily.admitted:
        raise _too_many_attempts(name, daily.reset_seconds)
    _hit_shared_device_limit(
        f"{{{account_hash}}}:code", client_scope, _MAX_CODES_PER_DAY, _DAY_SECONDS
    )


@contextmanager
def throttle_password(account_hash: str, client_scope: str | None) -> Iterator[None]:
    """Count one password that is hashed inside, unless hashing is overloaded.

    Client scopes are limited separately: attempts from elsewhere do not lock the user out of a
    trusted device.

    Args:
        account_hash: `LoginIdentity.account_hash` of the e-mail address.
        client_scope: Trusted device or `SESSION_SCOPE`, which have attempts of their own; None for
            all other clients together.

    Raises:
        TooManyAttemptsError: The attempts within this client scope are used up.
    """
    name = f"{{{account_hash}}}:password"
    window = _attempt_window(f"{name}:{client_scope or ''}")
    result = sliding_window.hit(window)
    if not result.admitted:
        raise _too_many_attempts(window.name, result.reset_seconds)
    shared = _hit_shared_device_limit(name, client_scope, _MAX_ATTEMPTS, _ATTEMPT_WINDOW_SECONDS)
    try:
        yield
    except PasswordHashingOverloadedError:
        sliding_window.refund(window, result)
        if shared is not None:
            rate_limit.refund(shared)
        raise


def _attempt_window(name: str) -> SlidingWindow:
    return SlidingWindow(name, _MAX_ATTEMPTS, _ATTEMPT_WINDOW_SECONDS)


def _hit_shared_device_limit(
    name: str, client_scope: str | None, limit: int, window_seconds: int
) -> str | None:
    """Apply one limit across all trusted devices.

    An attacker who once knew the password may have registered many.

    Returns:
        The name of the counter, if the client scope is a trusted device.
    """
    if client_scope in {None, SESSION_SCOPE}:
        return None
    shared = f"{name}:devices"
    result = rate_limit.hit(RateLimit(shared, limit * _MAX_BUSY_DEVICES, window_seconds))
    if not result.admitted:
        raise _too_many_attempts(shared, result.reset_seconds)
    return shared


def _too_many_attempts(name: str, wait_seconds: int) -> TooManyAttemptsError:
    first = rate_limit.hit(RateLimit(f"{name}:rejected", 1, wait_seconds))
    return TooManyAttemptsError(wait_seconds, is_first_rejection=first.admitted)


def throttle_link_request(
    account_hash: str, client_scope: str | None, ip_address: str | None
) -> None:
    """Count one link that an anonymous client requests.

    Args:
        account_hash: `LoginIdentity.account_hash` of the e-mail address.
        client_scope: Trusted device; None for all other clients together.
        ip_address: IP address of the client. Users of a plant may share one.

    Raises:
        TooManyAttemptsError: Too many links were requested for the account or from the network.
    """
    # Two calls, because the counters lie on different nodes of a Redis cluster.
    for name, limit in (
        (f"{{{client_network(ip_address)}}}:links", _MAX_LINKS_PER_NETWORK),
        (f"{{{account_hash}}}:links:{client_scope or ''}", _MAX_LINKS_PER_ACCOUNT),
    ):
        result = rate_limit.hit(RateLimit(name, limit, _LINK_WINDOW_SECONDS))
        if not result.admitted:
            raise TooManyAttemptsError(result.reset_seconds, is_first_rejection=False)


def throttle_outgoing_mail(organization_id: UUID, email: str) -> None:
    """Count one e-mail of an organization: an invitation or a link.

    Otherwise a user who may invite could flood a mailbox, or send any number of e-mails in the name
    of this installation.

    Args:
        organization_id: Organization whose users or API keys cause the e-mail.
        email: Recipient.

    Raises:
        OutgoingMailLimitError: The recipient has been sent 5 e-mails within an hour, or the
            organization has sent 500 within a day.
    """
    prefix = f"{{{organization_id}}}:mail"
    result = rate_limit.hit(
        RateLimit(
            f"{prefix}:{login_identity(email).account_hash}",
            _MAX_MAILS_PER_ADDRESS,
            _MAIL_ADDRESS_WINDOW_SECONDS,
        ),
        RateLimit(f"{prefix}:all", _MAX_MAILS_PER_ORGANIZATION, _DAY_SECONDS),
    )
    if not result.admitted:
        raise OutgoingMailLimitError(result.reset_seconds)
