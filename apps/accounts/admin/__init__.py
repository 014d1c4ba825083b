"""Admin pages of the accounts app, registered by importing their modules."""

from __future__ import annotations

from apps.accounts.admin import api_keys, invitations, sessions, users

__all__ = ["api_keys", "invitations", "sessions", "users"]
