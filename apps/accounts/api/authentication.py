from __future__ import annotations

from typing import Any

from django.middleware.csrf import CsrfViewMiddleware
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from apps.accounts.auth.requests import presented_key
from urfmp.common.http.problem_details import BEARER


class _CsrfCheck(CsrfViewMiddleware):
    def _reject(self, request: Any, reason: str) -> Any:
        return reason


class PrincipalAuthentication(BaseAuthentication):
    """Hand on the person or key that the middleware found."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        """Return who calls.

        Raises:
            AuthenticationFailed: A key or token was sent that is unknown, ended or expired.
            PermissionDenied: A browser's session without its CSRF token.
        """
        plain = request._request  # noqa: SLF001 - the request that the middleware saw
        principal: Any = plain.user
        if presented_key(plain) is not None:
            if not principal.is_authenticated:
                msg = "This API key or access token is unknown, ended or expired."
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
        """Make the answer to a missing credential 401."""
        return BEARER
