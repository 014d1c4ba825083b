"""How often a key may ask, and how often an account's password may be tried."""

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
from urfmp.common.redis.rate_limit import RateLimit, RateLimitResult, hit, refund

SESSION = "session"  # the place of whoever is signed in
_ATTEMPTS, _ATTEMPT_SECONDS = 10, 15 * 60
_DEVICES = 3  # that use up their attempts at the same time; known may be any number
_CODES_A_DAY, _DAY_SECONDS = 50, 24 * 60 * 60
_LINKS, _LINKS_OF_A_CLIENT, _LINK_SECONDS = 5, 50, 60 * 60
_MAILS, _MAILS_OF_AN_ORGANIZATION = 5, 500


def take_request(credential: KeyCredential) -> RateLimitResult | None:
    """Count one request for a key and for its organization, or for neither.

    Returns:
        None when neither has a limit.
    """
    # The braces keep both counters on one node of a Redis cluster, as a script needs them.
    start = f"{{{credential.organization_id}}}"
    counters = []
    if credential.rate_limit is not None:
        counters.append(RateLimit(f"{start}:key:{credential.id}", credential.rate_limit))
    if settings.ORGANIZATION_RATE_LIMIT:
        counters.append(RateLimit(f"{start}:keys", settings.ORGANIZATION_RATE_LIMIT))
    return hit(*counters) if counters else None


def take_code(account: str, place: str | None) -> None:
    """Count one code of a second factor that is about to be looked at.

    Six digits are few: beside the quarter of an hour there is a limit for the day.

    Args:
        account: Name of the account, `credentials.account_of`.
        place: The known device, or the session, in which it is tried; None for anywhere else.

    Raises:
        TooManyAttemptsError: The account has had its attempts there.
    """
    name = f"{{{account}}}:code:{place or ''}"
    _take_slot(name)
    decision = hit(RateLimit(f"{name}:day", _CODES_A_DAY, _DAY_SECONDS))
    if not decision.admitted:
        raise _refusal(name, decision.reset_seconds)
    _take_of_devices(f"{{{account}}}:code", place, _CODES_A_DAY, _DAY_SECONDS)


def _take_slot(name: str) -> str:
    """Take one of ten slots, each of which is free again a quarter of an hour later.

    One counter with a fixed window would let nearly twice as many in around its end; so there are
    at most ten in any quarter of an hour, whenever it begins. Whoever gets in soon asks once.

    Returns:
        The slot's name.
    """
    waits = []
    for slot in range(_ATTEMPTS):
        counter = RateLimit(f"{name}:{slot}", 1, _ATTEMPT_SECONDS)
        decision = hit(counter)
        if decision.admitted:
            return counter.name
        waits.append(decision.reset_seconds)
    raise _refusal(name, min(waits))


def _take_of_devices(name: str, place: str | None, limit: int, seconds: int) -> list[str]:
    """Count for all known devices together: whoever once knew the password may have made many.

    Returns:
        The name of the counter, if the place is a known device.
    """
    if place in {None, SESSION}:
        return []
    together = f"{name}:devices"
    decision = hit(RateLimit(together, limit * _DEVICES, seconds))
    if not decision.admitted:
        raise _refusal(together, decision.reset_seconds)
    return [together]


def _refusal(name: str, wait_seconds: int) -> TooManyAttemptsError:
    told = hit(RateLimit(f"{name}:told", 1, wait_seconds))
    return TooManyAttemptsError(wait_seconds, is_first_rejection=told.admitted)


@contextmanager
def password_attempt(account: str, place: str | None) -> Iterator[None]:
    """Count one password that is hashed inside; not one that there was no room to hash.

    Places count for themselves: strangers who try an account do not keep its owner out of a
    browser that is known.

    Args:
        account: Name of the account, `credentials.account_of`.
        place: The known device, or the session, in which it is tried; None for anywhere else.

    Raises:
        TooManyAttemptsError: The account has had its attempts there.
    """
    name = f"{{{account}}}:password"
    counted = [_take_slot(f"{name}:{place or ''}")]
    counted += _take_of_devices(name, place, _ATTEMPTS, _ATTEMPT_SECONDS)
    try:
        yield
    except PasswordHashingOverloadedError:
        refund(*counted)
        raise


def take_link(account: str, place: str | None, address: str | None) -> None:
    """Count one link that is asked for by somebody who is not signed in.

    Args:
        account: Name of the account, `credentials.account_of`.
        place: The known device; None for anywhere else.
        address: Where it is asked from. A plant's people may share one.

    Raises:
        TooManyAttemptsError: For the account, or from the address, too many were asked for.
    """
    # In turn, not in one step: an account's counter and an address's share no node of a cluster.
    for name, limit in (
        (f"{{{client_network(address)}}}:links", _LINKS_OF_A_CLIENT),
        (f"{{{account}}}:links:{place or ''}", _LINKS),
    ):
        decision = hit(RateLimit(name, limit, _LINK_SECONDS))
        if not decision.admitted:
            raise TooManyAttemptsError(decision.reset_seconds, is_first_rejection=False)


def take_mail(organization_id: UUID, email: str) -> None:
    """Count one e-mail that an organization has sent to an address: an invitation, or a link.

    Whoever may invite could otherwise fill a stranger's mailbox, or send to any number of them in
    this installation's name.

    Args:
        organization_id: Whose people or keys have it sent.
        email: Where to.

    Raises:
        OutgoingMailLimitError: The address has received five within an hour, or the
            organization has sent 500
            within a day.
    """
    start = f"{{{organization_id}}}:mail"
    decision = hit(
        RateLimit(f"{start}:{login_identity(email).account_hash}", _MAILS, _LINK_SECONDS),
        RateLimit(f"{start}:all", _MAILS_OF_AN_ORGANIZATION, _DAY_SECONDS),
    )
    if not decision.admitted:
        raise OutgoingMailLimitError(decision.reset_seconds)
