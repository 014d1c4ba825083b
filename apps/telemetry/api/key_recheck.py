"""Verify the cached API key of requests that store nothing."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse

from apps.accounts.auth.principals import ApiKeyPrincipal
from apps.accounts.selectors.api_key_cache import invalidate_key, is_key_invalid
from apps.telemetry.services.ingest.writer import SendingApiKey
from urfmp.common.http.request_state import request_state
from urfmp.common.security.bearer_secrets import hash_token

# InfluxDB's response to a body without lines is 204.
_STATUSES_WITHOUT_WRITE = frozenset({204, 400, 403, 413, 415})


def sending_api_key(principal: Any) -> SendingApiKey | None:
    """Return the API key to verify.

    None for a user, who was read for this request.
    """
    if not isinstance(principal, ApiKeyPrincipal):
        return None
    return SendingApiKey(principal.key_id, principal.robot_id, principal.allowed_networks)


def invalidate_rejected_key(request: HttpRequest) -> None:
    """Invalidate the cached API key.

    The next request reads it again and gets the precise error.
    """
    principal: Any = request.user
    invalidate_key(principal.key_id)


def reject_invalid_key(
    request: HttpRequest, response: HttpResponse, key: str | None, *, success: int = 204
) -> bool:
    """Make a request with an invalid API key anonymous.

    The caller then sends 401 instead of the response.

    The storing transaction verifies the key. A request that is rejected for its body never
    reaches it, so the key is verified here, and an invalid key gets no other error than 401. It
    is audited like any rejected key.

    Args:
        request: Request with the key; nothing is done if `RequestState.is_key_verified`.
        response: Response to be sent otherwise.
        key: Presented API key.
        success: Status of a response to a body from which nothing was stored.

    Returns:
        Whether the key is invalid.
    """
    principal: Any = request.user
    if key is None or not isinstance(principal, ApiKeyPrincipal):
        return False
    if (
        response.status_code not in _STATUSES_WITHOUT_WRITE | {success}
        or request_state(request).is_key_verified
    ):
        return False
    if not is_key_invalid(key):
        return False
    request.user = AnonymousUser()
    request_state(request).rejected_key_digest = hash_token(key)
    return True
