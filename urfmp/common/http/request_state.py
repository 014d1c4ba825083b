"""Values that middleware, views and services attach to a request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.http import HttpRequest

from urfmp.common.security.authentication_time import AuthenticationTime

_ATTRIBUTE = "state"


@dataclass(slots=True)
class RequestState:
    """State of one request.

    Attributes:
        request_id: Id in logs, in the audit log and in the `X-Request-ID` of the response.
        authentication: When and how the user authenticated; at 0 for API keys.
        active_organization: Organization that a platform administrator has switched to.
        token_session_id: Session of the access token that the request carries.
        rejected_key_digest: Digest of an API key that was presented and rejected.
        is_key_verified: A transaction has already checked the API key again.
        denied_reason: Audit log's word for a denial that the response's status does not show.
        rate_limit_headers: Header fields that report the API key's rate limit.
        service_error: Error of a service, which the admin form shows.
        device_token: Token of a trusted device, from an API client's request.
        new_api_key: API key that was just generated; only this response shows it.
    """

    request_id: str | None = None
    authentication: AuthenticationTime = field(default_factory=AuthenticationTime)
    active_organization: Any = None
    token_session_id: UUID | None = None
    rejected_key_digest: str | None = None
    is_key_verified: bool = False
    denied_reason: str | None = None
    rate_limit_headers: dict[str, str] = field(default_factory=dict)
    service_error: Exception | None = None
    device_token: str = ""
    new_api_key: str = ""


def request_state(request: HttpRequest) -> RequestState:
    """Return the state of a request; REST framework's request shares Django's."""
    django_request = getattr(request, "_request", request)
    state: RequestState | None = getattr(django_request, _ATTRIBUTE, None)
    if state is None:
        state = RequestState()
        setattr(django_request, _ATTRIBUTE, state)
    return state
