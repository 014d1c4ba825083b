"""Who a request comes from, when it is not a person: a key, or nobody we know."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from apps.accounts.permissions.roles import scopes_have_permission
from apps.accounts.selectors.credentials import KeyCredential


class ApiKeyPrincipal:
    """An API key that asks. Stands where Django expects a user."""

    is_authenticated = True
    is_anonymous = False
    is_active = True
    is_staff = False
    is_superuser = False

    def __init__(self, credential: KeyCredential) -> None:
        """Take what the key stands for."""
        self.key_id = credential.id
        self.organization_id = credential.organization_id
        self.robot_id = credential.robot_id
        self.scopes = credential.scopes
        self.allowed_networks = credential.allowed_networks

    @property
    def pk(self) -> UUID:
        """The key's id."""
        return self.key_id

    def __str__(self) -> str:
        return f"API key {self.key_id}"

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Tell whether the key's scopes hold Django's `app.action_model`."""
        return scopes_have_permission(self.scopes, perm)

    def has_module_perms(self, app_label: str) -> bool:
        """Keep keys out of the admin."""
        return False
