"""People, where they are signed in, what is sent to them, and the keys of machines."""

from __future__ import annotations

from apps.accounts.models.api_keys import ApiKey, IdempotencyRecord, UserSession
from apps.accounts.models.one_time_links import Invitation, OneTimeLink
from apps.accounts.models.users import SecondFactor, User

__all__ = [
    "ApiKey",
    "IdempotencyRecord",
    "Invitation",
    "OneTimeLink",
    "SecondFactor",
    "User",
    "UserSession",
]
