"""Session middleware."""

from __future__ import annotations

from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.http import (
    HttpRequest,
)

from apps.accounts.auth.requests import client_ip, request_session
from urfmp.common.http.middleware import user_agent_of


class SessionMiddleware(DjangoSessionMiddleware):
    """Django's, telling the session where its request comes from."""

    def process_request(self, request: HttpRequest) -> None:
        """Attach the session; it is read when somebody asks for it."""
        super().process_request(request)
        session = request_session(request)
        session.ip_address = client_ip(request)
        session.user_agent = user_agent_of(request.headers)
