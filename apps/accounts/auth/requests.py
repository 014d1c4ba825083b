"""Credentials, session and actor of a request."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django.http import HttpRequest
from django.middleware.csrf import rotate_token

from apps.accounts.models import UserSession
from apps.accounts.permissions.active_organization import ActiveOrganization
from apps.accounts.services.session_store import SessionStore
from urfmp.common.http.client_ip import normalize_ip
from urfmp.common.http.middleware import user_agent_of
from urfmp.common.http.request_state import request_state
from urfmp.common.security.bearer_secrets import hash_token
from urfmp.common.tenancy.context import Actor


def get_active_organization(request: HttpRequest) -> ActiveOrganization | None:
    """Return the organization that a super admin has switched to, if any."""
    found: ActiveOrganization | None = request_state(request).active_organization
    return found


def set_active_organization(request: HttpRequest, organization: ActiveOrganization | None) -> None:
    """Set the active organization after a switch; None for the platform's own.

    Forms that a browser opened before become invalid: input that was begun in one organization must
    not be stored in another.
    """
    if isinstance(current_session(request), SessionStore):
        rotate_token(request)
    request_state(request).active_organization = organization


def current_session(request: HttpRequest) -> SessionStore | UUID:
    """Return the browser's session, or the id of an access token's session."""
    session_id = request_state(request).token_session_id
    return request_session(request) if session_id is None else session_id


def current_session_id(request: HttpRequest) -> UUID | None:
    """Return the id of the request's session, if any.

    None for API keys and anonymous clients. It runs at most one query; call it inside the tenant
    transaction.
    """
    if presented_token(request) is not None:
        return request_state(request).token_session_id
    token = request_session(request).session_key
    if not token:
        return None
    row: UUID | None = (
        UserSession.objects.filter(session_token=hash_token(token))
        .values_list("pk", flat=True)
        .first()
    )
    return row


IP_NOT_ALLOWED = ("address_not_allowed", "This API key may not be used from this IP address.")


def client_ip(request: HttpRequest) -> str | None:
    """Return the client's IP address; the server has resolved proxies already."""
    return normalize_ip(request.META.get("REMOTE_ADDR", ""))


def request_session(request: HttpRequest) -> SessionStore:
    """Return the request's session with its actual type."""
    return cast("SessionStore", request.session)


def request_actor(
    request: HttpRequest, *, user_id: UUID | None = None, api_key_id: UUID | None = None
) -> Actor:
    """Return the actor for the audit log.

    Without a user or API key, the actor is anonymous.
    """
    return Actor(
        ip_address=client_ip(request),
        user_agent=user_agent_of(request.headers),
        request_id=request_state(request).request_id,
        user_id=user_id,
        api_key_id=api_key_id,
    )


def is_background_poll(request: HttpRequest) -> bool:
    """Return whether a page polls by itself, which is not activity."""
    return "X-Unattended" in request.headers


TWO_CREDENTIALS = (
    "two_credentials",
    "The request contains more than one credential. Send only one of them.",
)


def has_two_credentials(request: HttpRequest, *, is_influx: bool = False) -> bool:
    """Return whether a request carries more than one credential.

    Which one counts would be a guess. Session cookies are not counted: browsers add them by
    themselves, and an explicit credential takes precedence.

    Args:
        request: Request of any process.
        is_influx: Whether credentials of InfluxDB clients count as well.
    """
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    schemes = {"bearer", "token", "basic"} if is_influx else {"bearer"}
    places = [
        scheme.lower() in schemes and bool(value),
        "X-API-Key" in request.headers,
        is_influx and "p" in request.GET,
    ]
    return sum(places) > 1


def presented_token(request: HttpRequest) -> str | None:
    """Return the API key or access token in a request's headers."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value:
        return value.strip()
    return request.headers.get("X-API-Key")
