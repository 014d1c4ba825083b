"""API keys as principals of requests."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from apps.accounts.permissions.roles import scopes_have_permission, scopes_text
from apps.accounts.selectors.credentials import KeyCredential


class ApiKeyPrincipal:
    """API key as the `request.user` of a request."""

    is_authenticated = True
    is_anonymous = False
    is_active = True
    is_staff = False
    is_superuser = False

    def __init__(self, credential: KeyCredential) -> None:
        """Copy the fields of the key's credential."""
        self.key_id = credential.id
        self.organization_id = credential.organization_id
        self.robot_id = credential.robot_id
        self.scopes = credential.scopes
        self.allowed_networks = credential.allowed_networks

    @property
    def pk(self) -> UUID:
        """Id of the API key."""
        return self.key_id

    def __str__(self) -> str:
        return f"API key {self.key_id}"

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Return whether the key's scopes include Django's `app.action_model`."""
        return scopes_have_permission(self.scopes, perm)

    def denial_text(self, perm: str) -> str:
        """Return which scope the key lacks for Django's `app.action_model`."""
        scopes = scopes_text(perm)
        if not scopes:
            return "API keys cannot perform this action; log in as a user."
        return f"This API key needs the scope {scopes}."

    def has_module_perms(self, app_label: str) -> bool:
        """Return False: API keys cannot use the admin."""
        return False
