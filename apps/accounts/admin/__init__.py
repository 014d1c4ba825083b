"""The accounts app's admin pages; importing a module registers its pages."""

from __future__ import annotations

from apps.accounts.admin import api_keys, invitations, sessions, users

__all__ = ["api_keys", "invitations", "sessions", "users"]
