"""From a request to the person or key behind it, and into their organization's transaction."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast
from uuid import UUID

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.template.response import SimpleTemplateResponse

from apps.accounts.credentials import key_credential
from apps.accounts.principals import KeyPrincipal
from apps.accounts.sessions import SessionStore
from apps.accounts.tokens import access_credential, is_access_token, person_of
from urfmp.common.tenancy import Actor, tenant_transaction

View = Callable[..., HttpResponseBase]


def client_address(request: HttpRequest) -> str | None:
    """Return the peer's address; behind a proxy the server has already put the client's here."""
    try:
        return str(ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")))
    except ValueError:
        return None


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
        user_agent=request.headers.get("User-Agent"),
        request_id=getattr(request, "request_id", None),
        **who,
    )


class SessionMiddleware(DjangoSessionMiddleware):
    """Django's, telling the session where its request comes from."""

    def process_request(self, request: HttpRequest) -> None:
        """Attach the session; it is read when somebody asks for it."""
        super().process_request(request)
        session = session_of(request)
        session.ip_address = client_address(request)
        session.user_agent = request.headers.get("User-Agent", "")


def presented_key(request: HttpRequest) -> str | None:
    """Return the API key or access token that a request carries, in either header."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value:
        return value.strip()
    return request.headers.get("X-API-Key")


class PrincipalMiddleware:
    """Run each view inside the transaction of its caller's organization.

    A key wins over a session. A view marked with `manages_transactions` opens its own.
    An exception rolls everything back; so does an answer with status 500 or above.
    """

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass on; the work is done when the view is known."""
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: View, args: list[Any], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        """Run the view, and render its template, inside the transaction."""
        if getattr(view, "ignores_credentials", False):
            request.user = AnonymousUser()
            return None
        if (key := presented_key(request)) is not None:
            return self._with_key(request, key, view, args, kwargs)
        session = session_of(request)
        user_id = session.get(SESSION_KEY)  # reads the session
        if user_id is None or session.organization_id is None:
            return None
        actor = request_actor(request, user_id=UUID(user_id))
        with tenant_transaction(session.organization_id, actor):
            if request.user.is_authenticated:  # loads the person while their row is visible
                session.touch()
                return _answer(request, view, args, kwargs)
        # The person is gone: what follows belongs to nobody's organization.
        session.organization_id = None
        return None

    def _with_key(
        self, request: HttpRequest, key: str, view: View, args: list[Any], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        if is_access_token(key):
            return self._with_token(request, key, view, args, kwargs)
        credential = key_credential(key)
        if credential is None:
            # Whoever shows a key means the key: a session beside it does not count.
            request.user = AnonymousUser()
            return None
        request.user = KeyPrincipal(credential)  # type: ignore[assignment]
        actor = request_actor(request, api_key_id=credential.id)
        if getattr(view, "manages_transactions", False):
            request.actor = actor  # type: ignore[attr-defined]
            return None
        with tenant_transaction(credential.organization_id, actor):
            return _answer(request, view, args, kwargs)

    def _with_token(
        self, request: HttpRequest, token: str, view: View, args: list[Any], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        request.user = AnonymousUser()
        # Pages are for browsers: there a token counts for nothing, as a key does.
        is_api = request.path.startswith("/api/")
        credential = access_credential(token) if is_api else None
        if credential is None:
            return None
        actor = request_actor(request, user_id=credential.user_id)
        with tenant_transaction(credential.organization_id, actor):
            if (person := person_of(credential)) is None:
                return None
            request.user = person
            request.token_session_id = credential.session_id  # type: ignore[attr-defined]
            if not getattr(view, "manages_transactions", False):
                return _answer(request, view, args, kwargs)
        request.actor = actor  # type: ignore[attr-defined]
        return None


def _answer(
    request: HttpRequest, view: View, args: list[Any], kwargs: dict[str, Any]
) -> HttpResponseBase:
    response = view(request, *args, **kwargs)
    if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
        response.render()
    if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        transaction.set_rollback(True)
    return response
