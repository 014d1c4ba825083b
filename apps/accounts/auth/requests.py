"""Credentials, session and actor of a request."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.http import (
    HttpRequest,
)

from apps.accounts.auth.session_store import SessionStore
from apps.accounts.models import UserSession
from apps.accounts.permissions.active_organization import ChosenOrganization
from urfmp.common.http.client_ip import plain_address
from urfmp.common.http.middleware import user_agent_of
from urfmp.common.security.bearer_secrets import digest
from urfmp.common.tenancy.context import Actor


def chosen_organization(request: HttpRequest) -> ChosenOrganization | None:
    """Return what the person who asks has chosen, as the middleware found it."""
    found: ChosenOrganization | None = getattr(request, "chosen_organization", None)
    return found


def current_session_id(request: HttpRequest) -> UUID | None:
    """Return the id of the sign-in that a request comes from; None for a key or nobody.

    At most one query; call it inside the tenant transaction.
    """
    if presented_key(request) is not None:
        return getattr(request, "token_session_id", None)
    token = session_of(request).session_key
    if not token:
        return None
    row: UUID | None = (
        UserSession.objects.filter(session_token=digest(token)).values_list("pk", flat=True).first()
    )
    return row


ADDRESS_NOT_ALLOWED = ("address_not_allowed", "This key is not taken from this address.")


def client_address(request: HttpRequest) -> str | None:
    """Return the peer's address; behind a proxy the server has already put the client's here."""
    return plain_address(request.META.get("REMOTE_ADDR", ""))


def session_of(request: HttpRequest) -> SessionStore:
    """Return the request's session as what it is."""
    return cast("SessionStore", request.session)


def request_actor(request: HttpRequest, **who: Any) -> Actor:
    """Return what the record says about a request.

    Args:
        request: The request.
        who: `user_id` or `api_key_id`.
    """
    return Actor(
        ip_address=client_address(request),
        user_agent=user_agent_of(request.headers),
        request_id=getattr(request, "request_id", None),
        **who,
    )


def is_unattended(request: HttpRequest) -> bool:
    """Tell whether a page asks by itself: that nobody is there must still end the session."""
    return "X-Unattended" in request.headers


def presented_key(request: HttpRequest) -> str | None:
    """Return the API key or access token that a request carries, in either header."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value:
        return value.strip()
    return request.headers.get("X-API-Key")
