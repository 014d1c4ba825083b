"""Session middleware with the client's IP address and user agent."""

from __future__ import annotations

from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.http import (
    HttpRequest,
)

from apps.accounts.auth.requests import client_ip, request_session
from urfmp.common.http.middleware import user_agent_of


class SessionMiddleware(DjangoSessionMiddleware):
    """Django's session middleware; it sets IP address and user agent."""

    def process_request(self, request: HttpRequest) -> None:
        """Attach the session, which is loaded on first access."""
        super().process_request(request)
        session = request_session(request)
        session.ip_address = client_ip(request)
        session.user_agent = user_agent_of(request.headers)
