"""Users, sessions, API keys, one-time links and invitations."""

from __future__ import annotations

from apps.accounts.models.api_keys import ApiKey
from apps.accounts.models.idempotency import IdempotencyRecord
from apps.accounts.models.invitations import Invitation
from apps.accounts.models.one_time_links import OneTimeLink
from apps.accounts.models.second_factors import SecondFactor
from apps.accounts.models.sessions import UserSession
from apps.accounts.models.users import User

__all__ = [
    "ApiKey",
    "IdempotencyRecord",
    "Invitation",
    "OneTimeLink",
    "SecondFactor",
    "User",
    "UserSession",
]
