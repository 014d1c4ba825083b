"""The key that sends telemetry: how it was read, and what happens when it no longer holds."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from apps.accounts.key_cache import forget_key
from apps.accounts.principals import KeyPrincipal
from apps.telemetry.storing import SendingKey


def sending_key(principal: Any) -> SendingKey | None:
    """Return what is to be confirmed of a key; None for a person, who was read just now."""
    if not isinstance(principal, KeyPrincipal):
        return None
    return SendingKey(principal.key_id, principal.robot_id, principal.allowed_networks)


def note_ended_key(request: HttpRequest) -> None:
    """Read the key anew the next time, so that a refusal of it says why."""
    principal: Any = request.user
    forget_key(principal.key_id)
