"""From a request to the person or key behind it, and into their organization's transaction."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.http import HttpRequest, HttpResponseBase
from django.template.response import SimpleTemplateResponse

from apps.accounts.credentials import key_credential
from apps.accounts.principals import KeyPrincipal
from urfmp.common.tenancy import Actor, tenant_transaction

View = Callable[..., HttpResponseBase]


def client_address(request: HttpRequest) -> str | None:
    """Return the peer's address; behind a proxy the server has already put the client's here."""
    try:
        return str(ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")))
    except ValueError:
        return None


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
        request.session.ip_address = client_address(request)
        request.session.user_agent = request.headers.get("User-Agent", "")


def presented_key(request: HttpRequest) -> str | None:
    """Return the API key that a request carries, in either header."""
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
        key = presented_key(request)
        if key is not None:
            organization_id = self._recognize_key(request, key)
        else:
            request.session.get("_auth_user_id")  # reads the session
            organization_id = request.session.organization_id
        if organization_id is None:
            return None
        if key is not None:
            actor = request_actor(request, api_key_id=request.user.pk)
        else:
            actor = request_actor(request, user_id=UUID(request.session["_auth_user_id"]))
        if getattr(view, "manages_transactions", False) and key is not None:
            request.actor = actor  # type: ignore[attr-defined]
            return None
        with tenant_transaction(organization_id, actor):
            if key is None:
                bool(request.user.is_authenticated)  # loads the person while their row is visible
                request.session.touch()
            response = view(request, *args, **kwargs)
            if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
                response.render()
        return response

    def _recognize_key(self, request: HttpRequest, key: str) -> UUID | None:
        credential = key_credential(key)
        if credential is None:
            request.invalid_key = True  # type: ignore[attr-defined]
            return None
        request.user = KeyPrincipal(credential)  # type: ignore[assignment]
        return credential.organization_id
