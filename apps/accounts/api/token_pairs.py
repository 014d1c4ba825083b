from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone

from apps.accounts.services.api_tokens import TokenPair


def pair_fields(pair: TokenPair) -> dict[str, Any]:
    """Return a pair of tokens as answers show it."""
    return {
        "access_token": pair.access_token,
        "token_type": "Bearer",
        "expires_in": _seconds_until(pair.access_expires_at),
        "refresh_token": pair.refresh_token,
        "refresh_expires_in": _seconds_until(pair.refresh_expires_at),
    }


def _seconds_until(time: datetime) -> int:
    return max(0, round((time - timezone.now()).total_seconds()))
