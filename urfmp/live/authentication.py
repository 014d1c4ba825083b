"""Who opens a stream, and what they may see in it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from django.contrib.auth import HASH_SESSION_KEY
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from apps.accounts.auth.principals import KeyPrincipal
from apps.accounts.auth.requests import ADDRESS_NOT_ALLOWED, presented_key
from apps.accounts.choices import Role
from apps.accounts.middleware.second_factor import lacks_second_factor
from apps.accounts.models import User
from apps.accounts.permissions.active_organization import chosen_by
from apps.accounts.selectors.api_tokens import (
    AccessCredential,
    access_credential,
    is_access_token,
    note_token_use,
    person_of,
)
from apps.accounts.selectors.credentials import (
    SessionCredential,
    key_credential,
    note_key_use,
    session_credential,
)
from apps.accounts.throttling import take_request
from apps.robots.models import Robot
from urfmp.common.security.bearer_secrets import digest
from urfmp.common.security.recent_auth import SignIn
from urfmp.common.tenancy.context import Actor, tenant_transaction
from urfmp.live.http import Problem, Request

_PERMISSIONS = ("robots.view_robot", "telemetry.view_robottelemetry")
_PARAMETERS = frozenset({"robot", "last_event_id"})
_ROBOTS_AT_MOST = 100
_TOKEN_OVER = "The access token is unknown, ended or expired."  # noqa: S105 - a sentence


@dataclass(frozen=True)
class Credential:
    """What a request carries to say who it comes from, and the address from which it comes."""

    token: str
    is_key: bool
    address: str | None = None

    @property
    def digest(self) -> str:
        """What the database stores of it."""
        return digest(self.token)


@dataclass(frozen=True)
class Subscriber:
    """What a stream may carry.

    Attributes:
        subject: The person's or the key's id.
        robots: The robots that were asked for, or a device key's own; None for the whole fleet.
        expires_at: When the session or access token ends at the latest; None for keys.
        limit_headers: How the key's limit of requests stands, for the answer.
        roams: Whether it is a super admin, who may go on to another organization at any time.
    """

    subject: UUID
    organization_id: UUID
    robots: frozenset[UUID] | None
    expires_at: datetime | None
    limit_headers: Mapping[str, str] = field(default_factory=dict)
    roams: bool = False


def credential_of(request: Request) -> Credential:
    """Return the request's key, or else its session.

    Raises:
        Problem: It carries neither, or its session is used by a page that is not ours.
    """
    key = presented_key(cast("HttpRequest", request))
    if key is not None:
        return Credential(key, is_key=True, address=request.address)
    if not (token := request.session_token):
        raise Problem(401, "not_authenticated", "Sign in, or send an API key.")
    if request.is_foreign:
        raise Problem(403, "foreign_origin", "Pages of other origins may not use a session.")
    return Credential(token, is_key=False)


def requested_robots(request: Request) -> frozenset[UUID]:
    """Return the robots that a request names; none stands for the whole fleet.

    Raises:
        Problem: A name is no UUID, or there are too many; or a parameter means nothing here.
    """
    if unknown := sorted(set(request.query) - _PARAMETERS):
        raise _misfit(unknown, "There is no such parameter.")
    names = request.query.getlist("robot")
    if len(names) > _ROBOTS_AT_MOST:
        raise Problem(400, "too_many_robots", f"Name at most {_ROBOTS_AT_MOST} robots, or none.")
    try:
        return frozenset(UUID(name) for name in names)
    except ValueError:
        raise _misfit(["robot"], "It must be a robot's id.") from None


def _misfit(names: Iterable[str], message: str) -> Problem:
    errors = {name: [message] for name in names}
    return Problem(400, "invalid", "Some parameters do not fit.", errors=errors)


def identify(
    credential: Credential, robots: Collection[UUID], *, is_request: bool = False
) -> Subscriber:
    """Return what a credential may see of some robots, or of the fleet when none is named.

    Queries the database: call it in a thread.

    Args:
        credential: Whose.
        robots: Which robots.
        is_request: It is a request, which counts for a key's limit, and no look at a stream
            that is open already.

    Raises:
        Problem: 401, 403, 404 or 429, as the API answers everywhere.
    """
    if not credential.is_key:
        return _of_session(credential, robots)
    if is_access_token(credential.token):
        return _of_token(credential, robots)
    return _of_key(credential, robots, is_request=is_request)


def _of_key(credential: Credential, robots: Collection[UUID], *, is_request: bool) -> Subscriber:
    found = key_credential(credential.token)
    if found is None:
        raise Problem(401, "invalid_key", "The API key is unknown, ended or expired.")
    if not found.admits(credential.address):
        raise Problem(403, *ADDRESS_NOT_ALLOWED)
    # Before any transaction: a hit stays counted whatever becomes of the request.
    decision = take_request(found) if is_request else None
    limit_headers = decision.headers() if decision else {}
    if decision and not decision.admitted:
        detail = f"At most {decision.limit} requests a minute are answered."
        raise Problem(429, "rate_limited", detail, headers=limit_headers)
    note_key_use(found)
    with tenant_transaction(found.organization_id, Actor(api_key_id=found.id)):
        visible = _visible(KeyPrincipal(found), robots)
    return Subscriber(found.id, found.organization_id, visible, None, limit_headers)


def _of_token(credential: Credential, robots: Collection[UUID]) -> Subscriber:
    found = access_credential(credential.token)
    if found is None:
        raise Problem(401, "invalid_token", _TOKEN_OVER)
    note_token_use(found)
    with tenant_transaction(found.organization_id, Actor(user_id=found.user_id)):
        if (user := person_of(found)) is None:
            raise Problem(401, "invalid_token", _TOKEN_OVER)
        _check_second_factor(user, found.sign_in)
    return _of_person(user, found, robots)


def _of_session(credential: Credential, robots: Collection[UUID]) -> Subscriber:
    found = session_credential(credential.token)
    if found is None:
        raise Problem(401, "not_authenticated", "The session is over: sign in again.")
    with tenant_transaction(found.organization_id, Actor(user_id=found.user_id)):
        user = User.objects.signing_in().filter(pk=found.user_id).first()
        # A session from before the last change of the password is worth nothing any more.
        proof = found.data.get(HASH_SESSION_KEY, "")
        if user is None or not constant_time_compare(proof, user.get_session_auth_hash()):
            raise Problem(401, "not_authenticated", "The session is over: sign in again.")
        _check_second_factor(user, SignIn.read(found.data))
    return _of_person(user, found, robots)


def _of_person(
    user: User, found: SessionCredential | AccessCredential, robots: Collection[UUID]
) -> Subscriber:
    """Return what a person may see in the organization in which they work."""
    if (chosen := chosen_by(user, found.data)) is not None:
        user.work_in(chosen.id)
    with tenant_transaction(user.organization_id, Actor(user_id=user.pk)):
        visible = _visible(user, robots)
    roams = user.role == Role.SUPER_ADMIN
    return Subscriber(user.pk, user.organization_id, visible, found.expires_at, roams=roams)


def _check_second_factor(user: User, sign_in: SignIn) -> None:
    if lacks_second_factor(user, sign_in):
        raise Problem(403, "second_factor_setup_required", "Set up a second factor first.")


def _visible(principal: Any, robots: Collection[UUID]) -> frozenset[UUID] | None:
    if not all(principal.has_perm(permission) for permission in _PERMISSIONS):
        raise Problem(403, "permission_denied", "You may not watch robots.")
    own: UUID | None = principal.robot_id
    wanted = frozenset(robots) or (None if own is None else frozenset([own]))
    if wanted is None:
        return None
    if Robot.objects.restrict(principal).filter(id__in=wanted).count() != len(wanted):
        raise Problem(404, "not_found", "There is no such robot.")
    return wanted
