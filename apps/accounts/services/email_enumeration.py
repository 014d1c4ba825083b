"""How much an organization is told of addresses that other organizations use.

An address is unique on the platform, so adding a person, or changing their address, cannot succeed
where another organization has it, and the answer says so. It is said ten times a day at most: then
the organization adds people by invitation alone, which tells whoever reads the mailbox and nobody
else. With Redis gone nothing is counted.

Telling nothing would take people whose address nobody has confirmed, two of whom may have the same
one; the column is unique. And whoever adds a person may give them a password and sign in with it,
which tells as much as the answer: so what is told is limited instead.
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

_TOLD_A_DAY, _DAY_SECONDS = 10, 24 * 60 * 60


def _exhausted_cache_key(organization_id: UUID) -> str:
    return f"{organization_id}:addresses_told"


@contextmanager
def enumeration_guard(organization_id: UUID, email: str | None) -> Iterator[None]:
    """Add a person, or change their address, inside.

    Args:
        organization_id: Whose person.
        email: The address; None where it stays as it is.

    Raises:
        EmailEnumerationLimitError: The organization was told of too many. The same answer for an
            address that is free.
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


def changed_email(person: User, changes: Mapping[str, Any]) -> str | None:
    """Return the address that changes give a person; None where it is theirs already."""
    email: str | None = changes.get("email")
    is_theirs = email is not None and email.strip().lower() == person.email
    return None if is_theirs else email


def _is_taken_elsewhere(error: ValidationError, email: str) -> bool:
    """Tell whether an address is taken by somebody whom the open organization does not see."""
    faults = error.message_dict.get("email", []) if hasattr(error, "error_dict") else []
    return EMAIL_TAKEN in faults and not User.objects.filter(email__iexact=email.strip()).exists()


def _count_disclosure(organization_id: UUID) -> None:
    name = f"{{{organization_id}}}:addresses_told"
    decision = hit(RateLimit(name, _TOLD_A_DAY, _DAY_SECONDS))
    if not decision.admitted or decision.remaining == 0:
        end = time.time() + decision.reset_seconds
        cache.set(_exhausted_cache_key(organization_id), end, timeout=decision.reset_seconds)
    if not decision.admitted:
        raise EmailEnumerationLimitError(decision.reset_seconds)
