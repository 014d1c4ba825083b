"""Limit how many e-mail addresses of other organizations an organization can discover.

E-mail addresses are unique on the platform, so creating a user, or changing an address, fails if
another organization uses it, and the error discloses that. An organization may see 10 such errors
per day. After that it can add users only by invitation, which discloses an existing account only to
the owner of the mailbox. Without Redis, nothing is counted.

Disclosing nothing would require accounts with unconfirmed addresses, of which two may be equal; the
column is unique. A user created with a password can also log in at once, which discloses as much as
the error does. So the number of disclosures is limited instead.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.core.cache import cache
from django.core.exceptions import ValidationError

from apps.accounts.exceptions import EmailEnumerationLimitError
from apps.accounts.models import User
from apps.accounts.services.users import EMAIL_TAKEN
from urfmp.common.redis.rate_limit import RateLimit, hit

_MAX_DISCLOSURES_PER_DAY = 10
_DAY_SECONDS = 24 * 60 * 60


def _exhausted_cache_key(organization_id: UUID) -> str:
    return f"{organization_id}:addresses_told"


@contextmanager
def enumeration_guard(organization_id: UUID, email: str | None) -> Iterator[None]:
    """Limit disclosures by creating a user or changing an address.

    Args:
        organization_id: Organization of the user.
        email: New e-mail address; None if it does not change.

    Raises:
        EmailEnumerationLimitError: The organization has seen too many disclosures. Unused addresses
            get the same error.
    """
    if email is None:
        yield
        return
    if (until := cache.get(_exhausted_cache_key(organization_id))) is not None:
        raise EmailEnumerationLimitError(max(1, int(until - time.time())))
    try:
        yield
    except ValidationError as error:
        if _is_taken_elsewhere(error, email):
            _count_disclosure(organization_id)
        raise


def changed_email(user: User, changes: Mapping[str, Any]) -> str | None:
    """Return the new e-mail address, or None if it does not change."""
    email: str | None = changes.get("email")
    is_unchanged = email is not None and email.strip().lower() == user.email
    return None if is_unchanged else email


def _is_taken_elsewhere(error: ValidationError, email: str) -> bool:
    """Return whether another organization uses the e-mail address."""
    messages = error.message_dict.get("email", []) if hasattr(error, "error_dict") else []
    return EMAIL_TAKEN in messages and not User.objects.filter(email__iexact=email.strip()).exists()


def _count_disclosure(organization_id: UUID) -> None:
    name = f"{{{organization_id}}}:addresses_told"
    result = hit(RateLimit(name, _MAX_DISCLOSURES_PER_DAY, _DAY_SECONDS))
    if not result.admitted or result.remaining == 0:
        end = time.time() + result.reset_seconds
        cache.set(_exhausted_cache_key(organization_id), end, timeout=result.reset_seconds)
    if not result.admitted:
        raise EmailEnumerationLimitError(result.reset_seconds)
