from __future__ import annotations

from typing import Any

from django.middleware.csrf import CsrfViewMiddleware
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from apps.accounts.auth.requests import presented_token
from urfmp.common.http.problem_details import BEARER


class _CsrfCheck(CsrfViewMiddleware):
    def _reject(self, request: Any, reason: str) -> Any:
        return reason


class PrincipalAuthentication(BaseAuthentication):
    """Return the user or API key that the middleware authenticated."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        """Return the request's principal; None for a request without credentials.

        Raises:
            AuthenticationFailed: The API key or access token is unknown, revoked or expired.
            PermissionDenied: The CSRF token of a browser session is missing or wrong.
        """
        plain = request._request  # noqa: SLF001 - the request that the middleware processed
        principal: Any = plain.user
        if presented_token(plain) is not None:
            if not principal.is_authenticated:
                msg = "This API key or access token is invalid, revoked or expired."
                raise AuthenticationFailed(msg)
            return principal, None
        if not principal.is_authenticated:
            return None
        check = _CsrfCheck(lambda _: None)  # type: ignore[arg-type]
        check.process_request(plain)
        if reason := check.process_view(plain, None, (), {}):  # type: ignore[arg-type]
            msg = f"CSRF check failed: {reason}"
            raise PermissionDenied(msg)
        return principal, None

    def authenticate_header(self, request: Request) -> str:
        """Return the header that makes the response to missing credentials a 401."""
        return BEARER
