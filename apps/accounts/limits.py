"""How often a key may ask, and how often an account's password may be tried."""

from __future__ import annotations

from django.conf import settings

from apps.accounts.credentials import KeyCredential
from apps.accounts.exceptions import TooManyAttemptsError
from urfmp.common.ratelimit import Counter, Decision, take

_ATTEMPTS, _ATTEMPT_SECONDS = 10, 15 * 60
_CODES_A_DAY, _DAY_SECONDS = 50, 24 * 60 * 60
_LINKS, _LINKS_OF_A_CLIENT, _LINK_SECONDS = 5, 50, 60 * 60


def take_request(credential: KeyCredential) -> Decision | None:
    """Count one request for a key and for its organization, or for neither.

    Returns:
        None when neither has a limit.
    """
    # The braces keep both counters on one node of a Redis cluster, as a script needs them.
    start = f"{{{credential.organization_id}}}"
    counters = []
    if credential.rate_limit is not None:
        counters.append(Counter(f"{start}:key:{credential.id}", credential.rate_limit))
    if settings.ORGANIZATION_RATE_LIMIT:
        counters.append(Counter(f"{start}:keys", settings.ORGANIZATION_RATE_LIMIT))
    return take(*counters) if counters else None


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
    decision = take(Counter(f"{name}:day", _CODES_A_DAY, _DAY_SECONDS))
    if not decision.admitted:
        _refuse(name, decision.reset_seconds)


def _take_slot(name: str) -> None:
    """Take one of ten slots, each of which is free again a quarter of an hour later.

    One counter with a fixed window would let nearly twice as many in around its end; so there are
    at most ten in any quarter of an hour, whenever it begins. Whoever gets in soon asks once.
    """
    waits = []
    for slot in range(_ATTEMPTS):
        decision = take(Counter(f"{name}:{slot}", 1, _ATTEMPT_SECONDS))
        if decision.admitted:
            return
        waits.append(decision.reset_seconds)
    _refuse(name, min(waits))


def _refuse(name: str, wait_seconds: int) -> None:
    told = take(Counter(f"{name}:told", 1, wait_seconds))
    raise TooManyAttemptsError(wait_seconds, is_first=told.admitted)


def take_password(account: str, place: str | None) -> None:
    """Count one password that is about to be hashed.

    Places count for themselves: strangers who try an account do not keep its owner out of a
    browser that is known.

    Args:
        account: Name of the account, `credentials.account_of`.
        place: The known device, or the session, in which it is tried; None for anywhere else.

    Raises:
        TooManyAttemptsError: The account has had its attempts there.
    """
    name = f"{{{account}}}:password:{place or ''}"
    _take_slot(name)


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
        (f"{{{address}}}:links", _LINKS_OF_A_CLIENT),
        (f"{{{account}}}:links:{place or ''}", _LINKS),
    ):
        decision = take(Counter(name, limit, _LINK_SECONDS))
        if not decision.admitted:
            raise TooManyAttemptsError(decision.reset_seconds, is_first=False)
