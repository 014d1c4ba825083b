"""What is tried with addresses that are nobody's, in the platform's record, without filling it.

A stranger may try any number of such addresses. So of what comes from one place within an hour the
first ten are recorded, as long as there are not two hundred of these from everywhere, and then the
hundredth, the thousandth ... with their number so far. The same numbers are told of all places
together, so that what comes from many of them a little each shows as well. What is tried with the
address of a person is in their organization's record, each time: nothing here counts for it.

What is not recorded takes as long as what is. Otherwise the time of an answer would tell whether an
address is somebody's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from apps.accounts.selectors.credentials import user_organization_id
from apps.audit.services.audit_logs import audit_record
from urfmp.common.http.client_ip import client_network
from urfmp.common.redis.rate_limit import RateLimit, hit
from urfmp.common.tenancy.context import (
    Actor,
    current_organization_id,
    platform_transaction,
    tenant_transaction,
)

USER_DEACTIVATED = "Deactivated during the login."

_WINDOW_SECONDS, _COUNTED_TO = 60 * 60, 1_000_000_000
_EACH_OF_ONE, _EACH_OF_ALL = 10, 200
_SAMPLED_COUNTS = frozenset(10**power for power in range(2, 10))


def record_login(user_id: UUID) -> None:
    """Audit a login inside the user's tenant transaction."""
    audit_record(action="accounts.session.login", resource_type="user", resource_id=user_id)


def record_logout(user_id: UUID) -> None:
    """Audit a logout inside the user's tenant transaction."""
    audit_record(action="accounts.session.logout", resource_type="user", resource_id=user_id)


def record_failed_login(
    actor: Actor, *, email: str, reason: str = "Wrong e-mail or password."
) -> None:
    """Audit a failed login in the organization of the user, or else in the platform's audit log.

    Args:
        actor: Client of the request, without a user.
        email: E-mail address that was entered.
        reason: Reason for the audit log; the client does not see it.
    """
    # The lookup finds active users only. A user deactivated by this request belongs to the
    # organization whose transaction is open.
    organization_id = user_organization_id(email) or current_organization_id()
    action, kind = "accounts.session.login", "session"
    if organization_id is None:
        record_unknown_email_attempt(
            actor, action=action, email=email, resource_type=kind, error_message=reason
        )
        return
    with tenant_transaction(organization_id, actor):
        audit_record(
            action=action,
            resource_type=kind,
            success=False,
            error_message=reason,
            request_data={"email": email[:255]},
        )


def record_unknown_email_attempt(actor: Actor, *, action: str, email: str, **entry: Any) -> None:
    """Record what failed because an address is nobody's, unless it is one of a flood.

    Args:
        actor: Where it came from.
        action: Dotted, as in `accounts.session.login`; each is counted for itself.
        email: The address.
        entry: Further fields of the record's row, as `audit_record` takes them.
    """
    name = f"{{strangers:{action}}}"
    of_one = _count(f"{name}:{client_network(actor.ip_address)}")
    of_all = _count(f"{name}:all")
    asked: dict[str, Any] = {"email": email[:255]}
    if of_one in _SAMPLED_COUNTS:
        asked["within_an_hour"] = of_one
    if of_all in _SAMPLED_COUNTS:
        asked["within_an_hour_from_everywhere"] = of_all
    is_told = len(asked) > 1 or (of_one <= _EACH_OF_ONE and _has_sample_left(name))
    with platform_transaction(actor), _rollback_unless_sampled(is_told):
        audit_record(action=action, success=False, request_data=asked, **entry)


class _SampledOutError(Exception):
    """It has been written, and is not kept."""


@contextmanager
def _rollback_unless_sampled(is_kept: bool) -> Iterator[None]:
    """Write inside, and take back what is not to be kept, once all of the work is done."""
    with suppress(_SampledOutError), transaction.atomic(), connection.cursor() as cursor:
        yield
        if not is_kept:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # the chain's, which waits for the end
            raise _SampledOutError


def _count(name: str) -> int:
    return _COUNTED_TO - hit(RateLimit(name, _COUNTED_TO, _WINDOW_SECONDS)).remaining


def _has_sample_left(name: str) -> bool:
    return hit(RateLimit(f"{name}:each", _EACH_OF_ALL, _WINDOW_SECONDS)).admitted
