"""The key that sends telemetry: how it was read, and what happens when it no longer holds."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse

from apps.accounts.auth.principals import KeyPrincipal
from apps.accounts.selectors.api_key_cache import invalidate_key, is_key_revoked
from apps.telemetry.services.ingest.writer import WritingKey
from urfmp.common.http.request_state import request_state
from urfmp.common.security.bearer_secrets import digest

# 204 is InfluxDB's answer to a body without a line.
_STATUSES_WITHOUT_WRITE = frozenset({204, 400, 403, 413, 415})


def writing_key(principal: Any) -> WritingKey | None:
    """Return what is to be confirmed of a key; None for a person, who was read just now."""
    if not isinstance(principal, KeyPrincipal):
        return None
    return WritingKey(principal.key_id, principal.robot_id, principal.allowed_networks)


def invalidate_rejected_key(request: HttpRequest) -> None:
    """Read the key anew the next time, so that a refusal of it says why."""
    principal: Any = request.user
    invalidate_key(principal.key_id)


def response_needs_401(request: HttpRequest, response: HttpResponse, key: str | None) -> bool:
    """Tell whether the key has ended of a request that is about to be answered without storing.

    The transaction that stores confirms the key; what is refused for its body never comes to one,
    and whoever has no key any longer is told that alone. It is recorded as a refusal of the key.

    Args:
        request: `RequestState.is_key_verified` says that a transaction has looked at the key.
        response: What would be answered.
        key: The key that the request shows.
    """
    principal: Any = request.user
    if key is None or not isinstance(principal, KeyPrincipal):
        return False
    if (
        response.status_code not in _STATUSES_WITHOUT_WRITE
        or request_state(request).is_key_verified
    ):
        return False
    if not is_key_revoked(key):
        return False
    request.user = AnonymousUser()
    request_state(request).rejected_key_digest = digest(key)
    return True
