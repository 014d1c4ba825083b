"""Process a form once, even if the browser sends it twice."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest

from apps.accounts.services.idempotency import (
    IdempotentRequest,
    idempotency_claim,
    idempotency_principal_id,
    idempotency_store,
    request_hash,
)

TOKEN_FIELD = "form_token"  # noqa: S105 - the name of a field
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,64}")
# Fields that differ between sends of the same form.
_NOT_COMPARED = {"csrfmiddlewaretoken", "_confirm"}


def new_token() -> str:
    """Return a token for a form that is shown first."""
    return secrets.token_urlsafe(16)


def form_token(request: HttpRequest) -> str:
    """Return the token of a sent form, or a new one."""
    token = str(request.POST.get(TOKEN_FIELD, ""))
    return token if _TOKEN.fullmatch(token) else new_token()


def run_once(request: HttpRequest, run: Callable[[], str]) -> tuple[str, bool]:
    """Run an act, or return its text if the form was processed.

    A second click waits until the first request has ended.

    Args:
        request: Request with the form's token.
        run: Act; returns a text to store.

    Returns:
        The text, and whether the form had been processed before.

    Raises:
        IdempotencyKeyReusedError: The form was processed before, with other values.
    """
    user: Any = request.user
    body = {name: request.POST.getlist(name) for name in request.POST if name not in _NOT_COMPARED}
    once = IdempotentRequest(
        organization_id=user.organization_id,
        principal_id=idempotency_principal_id(user),
        key=f"form:{form_token(request)}",
        request_hash=request_hash("POST", request.path, body),
    )
    stored = idempotency_claim(once, wait=True)
    if stored is not None:
        return str(stored.answer), True
    text = run()
    idempotency_store(once, status_code=200, body=text.encode())
    return text, False
