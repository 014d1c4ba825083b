"""Audit denied streams, as the web process audits denied requests."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django.http import HttpRequest
from starlette.requests import Request

from apps.accounts.auth.requests import presented_token
from apps.accounts.middleware.access_denied import audit_access_denied, find_key_owner
from apps.accounts.selectors.api_tokens import access_credential, is_access_token
from apps.accounts.selectors.credentials import session_credential
from apps.accounts.selectors.key_format import is_well_formed_key
from urfmp.common.http.middleware import user_agent_of
from urfmp.common.security.bearer_secrets import hash_token
from urfmp.common.tenancy.context import Actor
from urfmp.live.http.errors import HttpError
from urfmp.live.http.requests import client_ip, request_id, session_token


def audit_denied_stream(request: Request, error: HttpError) -> None:
    """Write a denied stream to the organization's audit log.

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
