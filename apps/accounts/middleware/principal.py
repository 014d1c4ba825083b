"""Authenticate the principal of a request and open its tenant transaction."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast
from uuid import UUID

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.http import (
    HttpRequest,
    HttpResponseBase,
)
from django.template.response import SimpleTemplateResponse

from apps.accounts.auth.principals import ApiKeyPrincipal
from apps.accounts.auth.requests import (
    IP_NOT_ALLOWED,
    TWO_CREDENTIALS,
    client_ip,
    has_two_credentials,
    is_background_poll,
    presented_token,
    request_actor,
    request_session,
)
from apps.accounts.middleware.second_factor import second_factor_gate
from apps.accounts.permissions.active_organization import active_organization_from_session
from apps.accounts.selectors.api_key_cache import cached_key_credential, invalidate_key
from apps.accounts.selectors.api_tokens import (
    access_credential,
    get_token_user,
    is_access_token,
    record_token_use,
)
from apps.accounts.selectors.credentials import key_credential, record_key_use
from apps.accounts.selectors.key_format import is_well_formed_key
from apps.accounts.services.session_store import SessionStore
from apps.accounts.throttling import throttle_api_request
from urfmp.common.http.api_paths import is_api_path
from urfmp.common.http.problem_details import problem_response
from urfmp.common.http.request_state import request_state
from urfmp.common.http.view_policy import policy_of
from urfmp.common.security.authentication_time import AuthenticationTime
from urfmp.common.security.bearer_secrets import hash_token
from urfmp.common.tenancy.context import tenant_transaction

View = Callable[..., HttpResponseBase]


class PrincipalMiddleware:
    """Run each view inside the transaction of its principal's organization.

    An API key takes precedence over a session, and its rate limit applies before the view. A view
    with the policy `manual_transactions` opens its own transactions. An exception, or a response
    with status 500 or above, rolls everything back.
    """

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Add the rate limit headers; `process_view` does the rest."""
        response = self.get_response(request)
        for name, value in request_state(request).rate_limit_headers.items():
            response[name] = value
        return response

    def process_view(
        self, request: HttpRequest, view: View, args: list[Any], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        """Run the view, and render its template, inside the transaction."""
        policy = policy_of(view, request.method)
        if policy.public:
            request.user = AnonymousUser()
            return None
        if has_two_credentials(request, is_influx=policy.api_key_reader is not None):
            request.user = AnonymousUser()
            return problem_response(HTTPStatus.BAD_REQUEST, *TWO_CREDENTIALS)
        find_bearer = policy.api_key_reader or presented_token
        if (bearer := find_bearer(request)) is not None:
            run = self._with_token if is_access_token(bearer) else self._with_key
            return run(request, bearer, view, args, kwargs)
        if not hasattr(
            request, "session"
        ):  # ingest runs without session middleware, see urfmp/wsgi.py
            request.user = AnonymousUser()
            return None
        session = request_session(request)
        user_id = session.get(SESSION_KEY)  # reads the session
        if user_id is None or session.organization_id is None:
            return None
        return self._with_session(request, session, view, args, kwargs)

    def _with_session(
        self,
        request: HttpRequest,
        session: SessionStore,
        view: View,
        args: list[Any],
        kwargs: dict[str, Any],
    ) -> HttpResponseBase | None:
        home = cast("UUID", session.organization_id)
        actor = request_actor(request, user_id=UUID(session[SESSION_KEY]))
        if not is_background_poll(request):
            session.touch()
        with tenant_transaction(home, actor):
            if (user := session.get_user()) is None:
                # The session is invalid; the request continues as an anonymous one.
                session.flush()
                session.organization_id = None
                request.user = AnonymousUser()
                return None
            request.user = user
            request_state(request).authentication = AuthenticationTime.read(session)
            if (denial := second_factor_gate(request, view)) is not None:
                return denial
            if (switched := _switched_organization(request, view, session)) is None:
                return _call_view(request, view, args, kwargs)
        with tenant_transaction(switched, actor):
            return _call_view(request, view, args, kwargs)

    def _with_key(
        self, request: HttpRequest, key: str, view: View, args: list[Any], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        policy = policy_of(view, request.method)
        may_use_cache = policy.reverify_key_on_write
        credential = (cached_key_credential if may_use_cache else key_credential)(key)
        if credential is None:
            # A session is ignored if the request also carries a key.
            request.user = AnonymousUser()
            if is_well_formed_key(key):
                request_state(request).rejected_key_digest = hash_token(key)
            return None
        if not credential.allows_ip(client_ip(request)):
            request.user = AnonymousUser()
            request_state(request).rejected_key_digest = hash_token(key)
            return problem_response(HTTPStatus.FORBIDDEN, *IP_NOT_ALLOWED)
        request.user = ApiKeyPrincipal(credential)  # type: ignore[assignment]
        # Outside of any transaction: the hit stays counted even if the request fails.
        if not policy.rate_limit_exempt and (limit := throttle_api_request(credential)):
            request_state(request).rate_limit_headers = limit.headers()
            if not limit.admitted:
                return problem_response(
                    HTTPStatus.TOO_MANY_REQUESTS,
                    "rate_limited",
                    f"At most {limit.limit} requests per minute are allowed. "
                    f"Retry in {limit.reset_seconds} seconds.",
                )
        if record_key_use(credential):
            invalidate_key(credential.id)  # the cached credential has the previous time of use
        actor = request_actor(request, api_key_id=credential.id)
        if policy.manual_transactions:
            return None
        with tenant_transaction(credential.organization_id, actor):
            return _call_view(request, view, args, kwargs)

    def _with_token(
        self, request: HttpRequest, token: str, view: View, args: list[Any], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        request.user = AnonymousUser()
        # Tokens and keys are not valid on pages, which are for browsers.
        is_api = is_api_path(request.path)
        credential = access_credential(token) if is_api else None
        if credential is None:
            return None
        record_token_use(credential)
        actor = request_actor(request, user_id=credential.user_id)
        with tenant_transaction(credential.organization_id, actor):
            if (user := get_token_user(credential)) is None:
                return None
            request.user = user
            request_state(request).token_session_id = credential.session_id
            request_state(request).authentication = credential.authentication
            if (denial := second_factor_gate(request, view)) is not None:
                return denial
            switched = _switched_organization(request, view, credential.data)
            is_manual = policy_of(view, request.method).manual_transactions
            if switched is None and not is_manual:
                return _call_view(request, view, args, kwargs)
        if is_manual:
            return None
        assert switched is not None  # noqa: S101 - such a view was called above
        with tenant_transaction(switched, actor):
            return _call_view(request, view, args, kwargs)


def _switched_organization(request: HttpRequest, view: View, data: Any) -> UUID | None:
    """Switch a super admin to the active organization and return its id.

    None for other users, and for views that run in the home organization.
    """
    chosen = active_organization_from_session(request.user, data)
    request_state(request).active_organization = chosen
    is_home = policy_of(view, request.method).home_organization
    if chosen is None or is_home:
        return None
    request.user.switch_organization(chosen.id)  # type: ignore[union-attr]
    return chosen.id


def _call_view(
    request: HttpRequest, view: View, args: list[Any], kwargs: dict[str, Any]
) -> HttpResponseBase | None:
    response: HttpResponseBase | None = view(request, *args, **kwargs)
    if response is None:  # the view of `StepUpMiddleware` lets the request continue
        return None
    if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
        response.render()
    if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        transaction.set_rollback(True)
    return response
