"""Authentication of streams, and the events that each may carry."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from django.contrib.auth import HASH_SESSION_KEY
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare
from starlette.requests import Request

from apps.accounts.auth.principals import ApiKeyPrincipal
from apps.accounts.auth.requests import (
    IP_NOT_ALLOWED,
    TWO_CREDENTIALS,
    has_two_credentials,
    presented_token,
)
from apps.accounts.choices import Role
from apps.accounts.middleware.second_factor import must_set_up_second_factor
from apps.accounts.models import User
from apps.accounts.permissions.active_organization import active_organization_from_session
from apps.accounts.selectors.api_tokens import (
    AccessCredential,
    access_credential,
    get_token_user,
    is_access_token,
    record_token_use,
)
from apps.accounts.selectors.credentials import (
    SessionCredential,
    key_credential,
    record_key_use,
    session_credential,
)
from apps.accounts.throttling import throttle_api_request
from apps.robots.models import Robot
from urfmp.common.security.authentication_time import AuthenticationTime
from urfmp.common.security.bearer_secrets import hash_token
from urfmp.common.tenancy.context import Actor, tenant_transaction
from urfmp.live.http.errors import HttpError
from urfmp.live.http.requests import (
    client_ip,
    is_foreign_origin,
    query_parameters,
    session_token,
)

_PERMISSIONS = ("robots.view_robot", "telemetry.view_robottelemetry")
_PARAMETERS = frozenset({"robot", "last_event_id"})
_COMMAND_PERMISSION = "robots.view_robotcommand"
_ALERT_PERMISSION = "alerts.view_alert"
_MAX_ROBOTS = 100
_INVALID_TOKEN = "The access token is unknown, revoked or expired."  # noqa: S105 - a message
_SESSION_EXPIRED = "Your session has expired. Log in again."


@dataclass(frozen=True)
class PresentedCredential:
    """The credential of a request, and the IP address that sent it.

    Attributes:
        token: API key, access token or session token.
        is_session: Whether it is a session token; otherwise it is an API key or access token.
        ip_address: IP address of the client, for the allow-list of an API key.
    """

    token: str
    is_session: bool = False
    ip_address: str | None = None

    @property
    def digest(self) -> str:
        """The digest of the token, as the database stores it."""
        return hash_token(self.token)


@dataclass(frozen=True)
class StreamScope:
    """The events that a stream may carry.

    Attributes:
        subject: Id of the user or API key.
        organization_id: Organization whose events are sent.
        robots: Requested robots, or the robot of a device key; None for the whole fleet.
        expires_at: Latest expiry of the session or access token; None for API keys.
        limit_headers: Rate limit headers of the response.
        is_platform_staff: Whether the user may switch organizations at any time.
        sees_commands: Whether it may carry events of commands.
        sees_alerts: Whether it may carry events of alerts.
    """

    subject: UUID
    organization_id: UUID
    robots: frozenset[UUID] | None
    expires_at: datetime | None
    limit_headers: Mapping[str, str] = field(default_factory=dict)
    is_platform_staff: bool = False
    sees_commands: bool = False
    sees_alerts: bool = False


def presented_credential(request: Request) -> PresentedCredential:
    """Return the API key, access token or session token of a request.

    Raises:
        HttpError: 400 with two credentials; 401 without one; 403 if a page of another origin uses
            a session.
    """
    if has_two_credentials(cast("HttpRequest", request)):
        raise HttpError(400, *TWO_CREDENTIALS)
    bearer_token = presented_token(cast("HttpRequest", request))
    if bearer_token is not None:
        return PresentedCredential(bearer_token, ip_address=client_ip(request))
    if not (token := session_token(request)):
        raise HttpError(401, "not_authenticated", "Log in, or send an API key.")
    if is_foreign_origin(request):
        raise HttpError(403, "foreign_origin", "Pages of other origins cannot use a session.")
    return PresentedCredential(token, is_session=True)


def requested_robots(request: Request) -> frozenset[UUID]:
    """Return the robots that a request names; none means the whole fleet.

    Raises:
        HttpError: 400 for unknown parameters, invalid ids or too many robots.
    """
    query = query_parameters(request)
    if unknown := sorted(set(query) - _PARAMETERS):
        raise _invalid_parameters(unknown, "Unknown parameter.")
    ids = query.getlist("robot")
    if len(ids) > _MAX_ROBOTS:
        raise HttpError(400, "too_many_robots", f"Name at most {_MAX_ROBOTS} robots, or none.")
    try:
        return frozenset(UUID(value) for value in ids)
    except ValueError:
        raise _invalid_parameters(["robot"], "Enter a valid UUID.") from None


def _invalid_parameters(names: Iterable[str], message: str) -> HttpError:
    errors = {name: [message] for name in names}
    return HttpError(400, "invalid", "Some parameters are invalid.", errors=errors)


def authenticate(
    credential: PresentedCredential, robots: Collection[UUID], *, is_request: bool = False
) -> StreamScope:
    """Authenticate a credential, and return the events that its stream may carry.

    Queries the database: call it in a thread.

    Args:
        credential: Credential of the request.
        robots: Requested robots; empty for the whole fleet.
        is_request: Whether the call counts toward an API key's rate limit. The repeated check
            of an open stream does not.

    Raises:
        HttpError: 401, 403, 404 or 429, with the codes of the API.
    """
    if credential.is_session:
        return _authenticate_session(credential, robots)
    if is_access_token(credential.token):
        return _authenticate_access_token(credential, robots)
    return _authenticate_key(credential, robots, is_request=is_request)


def _authenticate_key(
    credential: PresentedCredential, robots: Collection[UUID], *, is_request: bool
) -> StreamScope:
    found = key_credential(credential.token)
    if found is None:
        raise HttpError(401, "invalid_key", "The API key is unknown, revoked or expired.")
    if not found.allows_ip(credential.ip_address):
        raise HttpError(403, *IP_NOT_ALLOWED)
    # Outside any transaction: the hit counts even if the request fails.
    decision = throttle_api_request(found) if is_request else None
    limit_headers = decision.headers() if decision else {}
    if decision and not decision.admitted:
        detail = f"The limit is {decision.limit} requests a minute."
        raise HttpError(429, "rate_limited", detail, headers=limit_headers)
    record_key_use(found)
    with tenant_transaction(found.organization_id, Actor(api_key_id=found.id)):
        principal = ApiKeyPrincipal(found)
        visible = _visible_robots(principal, robots)
    return StreamScope(
        found.id,
        found.organization_id,
        visible,
        None,
        limit_headers,
        sees_commands=principal.has_perm(_COMMAND_PERMISSION),
        sees_alerts=principal.has_perm(_ALERT_PERMISSION),
    )


def _authenticate_access_token(
    credential: PresentedCredential, robots: Collection[UUID]
) -> StreamScope:
    found = access_credential(credential.token)
    if found is None:
        raise HttpError(401, "invalid_token", _INVALID_TOKEN)
    record_token_use(found)
    with tenant_transaction(found.organization_id, Actor(user_id=found.user_id)):
        if (user := get_token_user(found)) is None:
            raise HttpError(401, "invalid_token", _INVALID_TOKEN)
        _check_second_factor(user, found.authentication)
    return _scope_of_user(user, found, robots)


def _authenticate_session(credential: PresentedCredential, robots: Collection[UUID]) -> StreamScope:
    found = session_credential(credential.token)
    if found is None:
        raise HttpError(401, "not_authenticated", _SESSION_EXPIRED)
    with tenant_transaction(found.organization_id, Actor(user_id=found.user_id)):
        user = User.objects.able_to_log_in().filter(pk=found.user_id).first()
        # A password change invalidates the sessions from before it.
        proof = found.data.get(HASH_SESSION_KEY, "")
        if user is None or not constant_time_compare(proof, user.get_session_auth_hash()):
            raise HttpError(401, "not_authenticated", _SESSION_EXPIRED)
        _check_second_factor(user, AuthenticationTime.read(found.data))
    return _scope_of_user(user, found, robots)


def _scope_of_user(
    user: User, found: SessionCredential | AccessCredential, robots: Collection[UUID]
) -> StreamScope:
    """Return the scope of a user in the active organization."""
    if (chosen := active_organization_from_session(user, found.data)) is not None:
        user.switch_organization(chosen.id)
    with tenant_transaction(user.organization_id, Actor(user_id=user.pk)):
        visible = _visible_robots(user, robots)
        sees_commands = user.has_perm(_COMMAND_PERMISSION)
        sees_alerts = user.has_perm(_ALERT_PERMISSION)
    is_staff = user.role == Role.SUPER_ADMIN
    return StreamScope(
        user.pk,
        user.organization_id,
        visible,
        found.expires_at,
        is_platform_staff=is_staff,
        sees_commands=sees_commands,
        sees_alerts=sees_alerts,
    )


def _check_second_factor(user: User, authentication: AuthenticationTime) -> None:
    if must_set_up_second_factor(user, authentication):
        raise HttpError(403, "second_factor_setup_required", "Set up a second factor first.")


def _visible_robots(principal: Any, robots: Collection[UUID]) -> frozenset[UUID] | None:
    for permission in _PERMISSIONS:
        if not principal.has_perm(permission):
            raise HttpError(403, "permission_denied", principal.denial_text(permission))
    own: UUID | None = principal.robot_id
    wanted = frozenset(robots) or (None if own is None else frozenset([own]))
    if wanted is None:
        return None
    if Robot.objects.restrict(principal).filter(id__in=wanted).count() != len(wanted):
        raise HttpError(404, "not_found", "Robot not found.")
    return wanted
