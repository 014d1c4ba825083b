"""Audit denied requests of the live process, as the web process does."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import cast
from uuid import UUID

from django.http import HttpRequest
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from apps.accounts.auth.requests import presented_token
from apps.accounts.middleware.access_denied import (
    audit_access_denied,
    find_key_owner,
    is_audited_status,
)
from apps.accounts.selectors.api_tokens import access_credential, is_access_token
from apps.accounts.selectors.credentials import session_credential
from apps.accounts.selectors.key_format import is_well_formed_key
from urfmp.common.http.middleware import user_agent_of
from urfmp.common.log_filters import client_of_log, single_line
from urfmp.common.security.bearer_secrets import hash_token
from urfmp.common.tenancy.context import Actor
from urfmp.live.http.errors import HttpError
from urfmp.live.http.requests import client_ip, request_id, session_token
from urfmp.live.query_threads import DATABASE_ERRORS, QueryThreadPool

logger = logging.getLogger(__name__)


class AuditedEndpoint(ABC):
    """ASGI endpoint whose denied requests are written to the audit log."""

    def __init__(self, queries: QueryThreadPool) -> None:
        """Initialize the endpoint.

        Args:
            queries: Threads for the queries of requests.
        """
        self._queries = queries

    @abstractmethod
    async def serve(self, request: Request, send: Send) -> None:
        """Respond to a request, or raise an `HttpError`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; audit it if it is denied."""
        request = Request(scope, receive, send)
        with client_of_log(client_ip(request) or ""):
            try:
                await self.serve(request, send)
            except HttpError as error:
                if is_audited_status(error.status):
                    await self._audit(request, error)
                raise

    async def _audit(self, request: Request, error: HttpError) -> None:
        """Audit a denied request; a failure does not change the response."""
        try:
            await self._queries.run(audit_denied_request, request, error)
        except DATABASE_ERRORS as database_error:
            logger.warning(
                "A denied request could not be audited: %s", single_line(str(database_error))
            )


def audit_denied_request(request: Request, error: HttpError) -> None:
    """Write a denied request to the organization's audit log.

    A credential that belongs to no organization is not audited. Queries the database: call it in
    a thread.

    Args:
        request: Denied request.
        error: Response, with a status that is audited.
    """
    if (found := _find_owner(request)) is None:
        return
    organization_id, user_id, key_id, reason = found
    audit_access_denied(
        organization_id,
        Actor(
            user_id=user_id,
            api_key_id=key_id,
            ip_address=client_ip(request),
            user_agent=user_agent_of(request.headers),
            request_id=request_id(request),
        ),
        status=error.status,
        method=request.method,
        route=request.scope["path"].removeprefix("/"),
        reason=reason or error.code,
    )


def _find_owner(request: Request) -> tuple[UUID, UUID | None, UUID | None, str | None] | None:
    """Return organization, user, API key and the reason to reject the key."""
    token = presented_token(cast("HttpRequest", request))
    if token is not None and not is_access_token(token):
        if not is_well_formed_key(token) or (owner := find_key_owner(hash_token(token))) is None:
            return None
        key_id, organization_id, error = owner
        return organization_id, None, key_id, f"key_{error}" if error else None
    login = access_credential(token) if token else session_credential(session_token(request) or "")
    return (login.organization_id, login.user_id, None, None) if login else None
