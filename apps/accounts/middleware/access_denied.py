"""Audit denied requests, after their transaction was rolled back."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponseBase

from apps.accounts.auth.principals import ApiKeyPrincipal
from apps.accounts.auth.requests import request_actor, request_session
from apps.accounts.models import User
from apps.audit.services.audit_logs import audit_record
from urfmp.common.http.request_state import request_state
from urfmp.common.log_filters import single_line
from urfmp.common.redis.rate_limit import RateLimit, hit
from urfmp.common.tenancy.context import Actor, tenant_transaction

logger = logging.getLogger(__name__)

# Of the denials of one principal on one route within a minute, the 1st, 10th, 100th and so on are
# audited. A flood of any size leaves few rows, which still show its size.
_WINDOW_SECONDS = 60
_MAX_COUNT = 1_000_000
_SAMPLED_COUNTS = frozenset(10**power for power in range(7))
_ACTIONS: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "accounts.access.refuse",
    HTTPStatus.FORBIDDEN: "accounts.access.deny",
    HTTPStatus.TOO_MANY_REQUESTS: "accounts.access.limit",
}


class AccessDeniedAuditMiddleware:
    """Audit denied requests in a transaction of their own.

    A denial is a response with status 401, 403 or 429, or a request with
    `RequestState.denied_reason`. Denials that belong to no organization are not audited.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Audit the response if it is a denial; only log an error."""
        response = self.get_response(request)
        reason = request_state(request).denied_reason
        if reason or response.status_code in _ACTIONS:
            try:
                _audit(request, response, reason)
            except DatabaseError as error:
                logger.warning("Could not audit a denied request: %s", single_line(str(error)))
        return response


def _audit(request: HttpRequest, response: HttpResponseBase, reason: str | None) -> None:
    found = _rejected_key_owner(request) or _principal_organization(request)
    if found is None:
        return
    organization_id, actor, key_reason = found
    match = request.resolver_match
    audit_access_denied(
        organization_id,
        actor,
        status=HTTPStatus.FORBIDDEN if reason else response.status_code,
        method=str(request.method),
        route=match.route.removesuffix("$") if match else "",
        reason=key_reason or reason or _error_code(response),
        resource_id=_object_id(match.kwargs if match else {}),
    )


def is_audited_status(status: int) -> bool:
    """Return whether responses with this status are audited denials."""
    return status in _ACTIONS


def audit_access_denied(
    organization_id: UUID,
    actor: Actor,
    *,
    status: int,
    method: str,
    route: str,
    reason: str,
    resource_id: UUID | None = None,
) -> None:
    """Audit a denial in its own transaction, unless sampled out.

    Args:
        organization_id: Organization whose audit log gets the row.
        actor: Principal that was denied.
        status: HTTP status, see `is_audited_status`.
        method: HTTP method.
        route: Route pattern, without ids.
        reason: Error code.
        resource_id: Object that was requested.
    """
    name = f"{{{organization_id}}}:denied:{actor.user_id or actor.api_key_id}:{int(status)}:"
    name += f"{method}:{route}"
    result = hit(RateLimit(name, _MAX_COUNT, _WINDOW_SECONDS))
    count = _MAX_COUNT - result.remaining
    is_repeated_limit = status == HTTPStatus.TOO_MANY_REQUESTS and count > 1
    if not result.admitted or count not in _SAMPLED_COUNTS or is_repeated_limit:
        return
    request_data: dict[str, Any] = {"method": method, "route": route, "status": int(status)}
    if count > 1:
        request_data["refusals_within_a_minute"] = count
    with tenant_transaction(organization_id, actor):
        audit_record(
            action=_ACTIONS[status],
            resource_type="access",
            resource_id=resource_id,
            success=False,
            error_message=reason,
            request_data=request_data,
        )


def find_key_owner(key_digest: str) -> tuple[UUID, UUID, str | None] | None:
    """Return id, organization and rejection reason of an API key.

    None for an unknown key. The reason is None if the key itself is valid.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, organization_id, reason FROM api_key_refused(%s)", [key_digest])
        row: tuple[UUID, UUID, str | None] | None = cursor.fetchone()
    return row


def _rejected_key_owner(request: HttpRequest) -> tuple[UUID, Actor, str | None] | None:
    """Return organization, actor and reason of a rejected API key, if known."""
    if (key_digest := request_state(request).rejected_key_digest) is None:
        return None
    if (found := find_key_owner(key_digest)) is None:
        return None
    key_id, organization_id, rejection = found
    reason = f"key_{rejection}" if rejection else None
    return organization_id, request_actor(request, api_key_id=key_id), reason


def _principal_organization(request: HttpRequest) -> tuple[UUID, Actor, None] | None:
    """Return organization and actor of a request without querying tenant tables."""
    user: Any = getattr(request, "user", None)
    # `isinstance` would evaluate Django's lazy user, which queries the database.
    if type(user) is ApiKeyPrincipal:
        return user.organization_id, request_actor(request, api_key_id=user.key_id), None
    if type(user) is User:
        return user.organization_id, request_actor(request, user_id=user.pk), None
    if user is None or type(user) is AnonymousUser:
        return None
    session = request_session(request)
    user_id = session.get(SESSION_KEY)
    if user_id is None or session.organization_id is None:
        return None
    return session.organization_id, request_actor(request, user_id=UUID(user_id)), None


def _object_id(kwargs: dict[str, Any]) -> UUID | None:
    for name in ("pk", "robot_id", "object_id"):
        try:
            return UUID(str(kwargs.get(name)))
        except ValueError:
            continue
    return None


def _error_code(response: HttpResponseBase) -> str:
    """Return the response's error code or its status phrase."""
    if not response.streaming and "json" in response.get("Content-Type", ""):
        try:
            code = json.loads(response.content).get("code")  # type: ignore[attr-defined]
        except (ValueError, AttributeError):
            code = None
        if isinstance(code, str):
            return code[:100]
    return HTTPStatus(response.status_code).phrase
