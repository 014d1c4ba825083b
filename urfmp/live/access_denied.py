"""Refused streams in the record, as web does it for what it refuses."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django.http import HttpRequest

from apps.accounts.auth.requests import presented_key
from apps.accounts.middleware.access_denied import owner_of_key, record_refusal
from apps.accounts.selectors.api_tokens import access_credential, is_access_token
from apps.accounts.selectors.credentials import session_credential
from apps.accounts.selectors.key_format import key_is_well_formed
from urfmp.common.http.middleware import user_agent_of
from urfmp.common.security.bearer_secrets import digest
from urfmp.common.tenancy.context import Actor
from urfmp.live.http import Problem, Request


def note_refusal(request: Request, problem: Problem) -> None:
    """Record who was not let in; what nobody's organization can be told of is not recorded.

    Queries the database: call it in a thread.

    Args:
        request: What was asked for.
        problem: The answer, with a status that is recorded.
    """
    if (found := _whose(request)) is None:
        return
    organization_id, user_id, key_id, reason = found
    record_refusal(
        organization_id,
        Actor(
            user_id=user_id,
            api_key_id=key_id,
            ip_address=request.address,
            user_agent=user_agent_of(request.headers),
            request_id=request.id,
        ),
        status=problem.status,
        method=request.method,
        route=request.path.removeprefix("/"),
        reason=reason or problem.code,
    )


def _whose(request: Request) -> tuple[UUID, UUID | None, UUID | None, str | None] | None:
    """Return the organization, the person or the key, and what is wrong with the key."""
    key = presented_key(cast("HttpRequest", request))
    if key is not None and not is_access_token(key):
        if not key_is_well_formed(key) or (owner := owner_of_key(digest(key))) is None:
            return None
        key_id, organization_id, fault = owner
        return organization_id, None, key_id, f"key_{fault}" if fault else None
    person = access_credential(key) if key else session_credential(request.session_token or "")
    return (person.organization_id, person.user_id, None, None) if person else None
