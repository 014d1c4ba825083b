"""Limits on API requests, authentication attempts, link requests and outgoing mail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
# Networks of unknown clients that may use all of their attempts at passwords in one window.
_MAX_BUSY_NETWORKS = 10
_MAX_CODES_PER_DAY = 50
_MAX_LINKS_PER_ACCOUNT = 5
_MAX_LINKS_PER_NETWORK = 50
_LINK_WINDOW_SECONDS = _HOUR_SECONDS
# The robots of a facility share one address; only wrong claim codes count.
_MAX_CLAIMS_PER_NETWORK = 100
_TOKEN_WINDOW_SECONDS = 15 * _MINUTE_SECONDS
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


@contextmanager
def throttle_code(account_hash: str, client_scope: str | None) -> Iterator[None]:
    """Count one wrong code of a second factor, verified inside.

    The attempt is counted first and refunded if the code is right. Six digits are few, so a daily
    limit applies as well.

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
    counters = [f"{name}:day"]
    daily = rate_limit.hit(RateLimit(counters[0], _MAX_CODES_PER_DAY, _DAY_SECONDS))
    if not daily.admitted:
        raise _too_many_attempts(name, daily.reset_seconds)
    if client_scope not in {None, SESSION_SCOPE}:
        limit = _MAX_CODES_PER_DAY * _MAX_BUSY_DEVICES
        counters.append(f"{{{account_hash}}}:code:devices")
        _hit_shared_limit(RateLimit(counters[1], limit, _DAY_SECONDS))
    yield  # a wrong code raises, and counts
    sliding_window.refund(window, result)
    rate_limit.refund(*counters)


@dataclass
class PasswordAttempt:
    """One password that is verified.

    Attributes:
        is_right: Whether the password was right. The attempt then does not count.
    """

    is_right: bool = False


@contextmanager
def throttle_password(
    account_hash: str, client_scope: str | None, ip_address: str | None = None
) -> Iterator[PasswordAttempt]:
    """Count one wrong password, verified inside.

    The attempt is counted first, and refunded if the password is right or hashing is overloaded.
    Client scopes are limited separately, so attempts from elsewhere do not lock the user out of a
    trusted device. Other clients are limited by network: attempts from one network do not lock the
    user out of another one, until all networks together have made too many.

    Args:
        account_hash: `LoginIdentity.account_hash` of the e-mail address.
        client_scope: Trusted device or `SESSION_SCOPE`, which have attempts of their own; None for
            other clients.
        ip_address: IP address of a client without a scope.

    Raises:
        TooManyAttemptsError: The attempts of this client scope or network are used up.
    """
    name = f"{{{account_hash}}}:password"
    window = _attempt_window(f"{name}:{client_scope or client_network(ip_address)}")
    result = sliding_window.hit(window)
    if not result.admitted:
        raise _too_many_attempts(window.name, result.reset_seconds)
    shared = _shared_password_limit(name, client_scope)
    if shared is not None:
        _hit_shared_limit(shared)
    attempt, does_count = PasswordAttempt(), True
    try:
        yield attempt
        does_count = not attempt.is_right
    except PasswordHashingOverloadedError:
        does_count = False
        raise
    finally:
        if not does_count:
            sliding_window.refund(window, result)
            if shared is not None:
                rate_limit.refund(shared.name)


def _attempt_window(name: str) -> SlidingWindow:
    return SlidingWindow(name, _MAX_ATTEMPTS, _ATTEMPT_WINDOW_SECONDS)


def _shared_password_limit(name: str, client_scope: str | None) -> RateLimit | None:
    """Return the limit across all trusted devices, or across all networks.

    An attacker who once knew the password may have registered many devices, and may have access to
    many networks.
    """
    if client_scope == SESSION_SCOPE:
        return None
    kind, busy = (
        ("networks", _MAX_BUSY_NETWORKS) if client_scope is None else ("devices", _MAX_BUSY_DEVICES)
    )
    return RateLimit(f"{name}:{kind}", _MAX_ATTEMPTS * busy, _ATTEMPT_WINDOW_SECONDS)


def _hit_shared_limit(limit: RateLimit) -> None:
    result = rate_limit.hit(limit)
    if not result.admitted:
        raise _too_many_attempts(limit.name, result.reset_seconds)


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
        ip_address: IP address of the client. Users of a facility may share one.

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


@contextmanager
def throttle_unknown_token(ip_address: str | None, purpose: str, maximum: int) -> Iterator[None]:
    """Count one unknown token of a network, looked up inside.

    The attempt is counted first and refunded if the token is known.

    Args:
        ip_address: IP address of the client.
        purpose: Meaning of the token; each has its own counter.
        maximum: Unknown tokens of a network in 15 minutes.

    Raises:
        TooManyAttemptsError: Too many unknown tokens came from the network.
    """
    name = f"{{{client_network(ip_address)}}}:{purpose}"
    _hit_shared_limit(RateLimit(name, maximum, _TOKEN_WINDOW_SECONDS))
    yield  # an unknown token raises, and counts
    rate_limit.refund(name)


@contextmanager
def throttle_claim(ip_address: str | None) -> Iterator[None]:
    """Count one wrong claim code of a robot, exchanged inside.

    A limit across all networks would let an attacker keep robots from being connected. Codes have
    80 random bits and do not need one.

    Raises:
        TooManyAttemptsError: Too many wrong codes came from the network.
    """
    with throttle_unknown_token(ip_address, "claims", _MAX_CLAIMS_PER_NETWORK):
        yield


def throttle_outgoing_mail(organization_id: UUID, email: str) -> None:
    """Count one e-mail of an organization: an invitation or a link.

    Otherwise a user who may invite could flood a mailbox, or send any number of e-mails in the name
    of this installation.

    Args:
        organization_id: Organization whose users or API keys cause the e-mail.
        email: Recipient.

    Raises:
        OutgoingMailLimitError: The hourly limit of the recipient, or the daily limit of the
            organization, is reached.
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
