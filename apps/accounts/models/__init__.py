"""People, where they are signed in, what is sent to them, and the keys of machines."""

from __future__ import annotations

from apps.accounts.models.credentials import ApiKey, IdempotencyRecord, UserSession
from apps.accounts.models.links import Invitation, OneTimeLink
from apps.accounts.models.people import SecondFactor, User

__all__ = [
    "ApiKey",
    "IdempotencyRecord",
    "Invitation",
    "OneTimeLink",
    "SecondFactor",
    "User",
    "UserSession",
]
