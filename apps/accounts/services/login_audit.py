"""Audit logins, and attempts that belong to no organization only in samples.

Anyone may try any number of unknown addresses, links and codes, so a flood must not fill the
platform's audit log. Of the attempts from one network within an hour, the first 10 are audited, up
to 200 from all networks. After that the 100th, the 1,000th and so on are audited with the count so
far. The same counts are kept for all networks together, so distributed attempts are visible as
well. Attempts with the address of a user are always audited in that user's organization and are not
counted here.

Attempts that are not audited take as long as audited ones. Otherwise the response time would reveal
whether an address has an account.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from apps.accounts.exceptions import InvalidLinkError
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

_WINDOW_SECONDS = 60 * 60
_MAX_COUNT = 1_000_000_000
_FIRST_N_PER_NETWORK = 10
_FIRST_N_TOTAL = 200
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
    """Audit a failed login.

    The row belongs to the organization of the user, or to the platform for unknown addresses.

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
    """Audit an attempt with an unknown e-mail address, in samples.

    Args:
        actor: Client of the request.
        action: Audit action, such as `accounts.session.login`; each is counted separately.
        email: E-mail address that was entered.
        entry: Further arguments of `audit_record`.
    """
    _record_sample(actor, action, {"email": email[:255]}, entry)


def record_invalid_link(actor: Actor, *, action: str) -> None:
    """Audit an attempt with an invalid link, in samples.

    Args:
        actor: Client of the request.
        action: Audit action of the use of the link, such as `accounts.user.password_reset`.
    """
    record_anonymous_failure(
        actor, action=action, resource_type="link", error_message=InvalidLinkError().message
    )


def record_anonymous_failure(actor: Actor, *, action: str, **entry: Any) -> None:
    """Audit an attempt with an unknown credential, in samples.

    Args:
        actor: Client of the request.
        action: Audit action of the use of the credential; each is counted separately.
        entry: Further arguments of `audit_record`.
    """
    _record_sample(actor, action, {}, entry)


def _record_sample(
    actor: Actor, action: str, request_data: dict[str, Any], entry: dict[str, Any]
) -> None:
    name = f"{{unknown_email:{action}}}"
    network_count = _count(f"{name}:{client_network(actor.ip_address)}")
    total_count = _count(f"{name}:all")
    is_milestone = False
    if network_count in _SAMPLED_COUNTS:
        is_milestone, request_data["within_an_hour"] = True, network_count
    if total_count in _SAMPLED_COUNTS:
        is_milestone, request_data["within_an_hour_from_everywhere"] = True, total_count
    is_sampled = is_milestone or (network_count <= _FIRST_N_PER_NETWORK and _has_sample_left(name))
    with platform_transaction(actor), _rollback_unless_sampled(is_sampled):
        audit_record(action=action, success=False, request_data=request_data, **entry)


class _SampledOutError(Exception):
    """Roll back an audit row that is not sampled."""


@contextmanager
def _rollback_unless_sampled(is_sampled: bool) -> Iterator[None]:
    """Roll back the rows written inside, unless sampled."""
    with suppress(_SampledOutError), transaction.atomic(), connection.cursor() as cursor:
        yield
        if not is_sampled:
            # Run the deferred trigger of the hash chain: the time must not depend on sampling.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            raise _SampledOutError


def _count(name: str) -> int:
    return _MAX_COUNT - hit(RateLimit(name, _MAX_COUNT, _WINDOW_SECONDS)).remaining


def _has_sample_left(name: str) -> bool:
    return hit(RateLimit(f"{name}:each", _FIRST_N_TOTAL, _WINDOW_SECONDS)).admitted
