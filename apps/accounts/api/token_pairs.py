from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from apps.accounts.services.api_tokens import TokenPair


class TokenPairSerializer(serializers.Serializer[Any]):
    access_token = serializers.CharField(help_text="For `Authorization: Bearer`.")
    token_type = serializers.CharField(help_text="Always `Bearer`.")
    expires_in = serializers.IntegerField(help_text="Seconds until the access token expires.")
    refresh_token = serializers.CharField(help_text="For `auth/refresh`; replaced by each refresh.")
    refresh_expires_in = serializers.IntegerField(
        help_text="Seconds until the session expires. A refresh does not extend it."
    )


class LoginResponseSerializer(TokenPairSerializer):
    device_token = serializers.CharField(
        help_text="For the next `auth/login` of this client, within 180 days. It does not"
        " authenticate."
    )


def token_pair_payload(pair: TokenPair) -> dict[str, Any]:
    """Return a token pair as a response body."""
    return {
        "access_token": pair.access_token,
        "token_type": "Bearer",
        "expires_in": _seconds_until(pair.access_expires_at),
        "refresh_token": pair.refresh_token,
        "refresh_expires_in": _seconds_until(pair.refresh_expires_at),
    }


def _seconds_until(time: datetime) -> int:
    return max(0, round((time - timezone.now()).total_seconds()))
