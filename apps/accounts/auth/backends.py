"""Authentication with e-mail address and password."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.http import HttpRequest

from apps.accounts.auth.requests import client_ip
from apps.accounts.auth.trusted_devices import trusted_device
from apps.accounts.models import User
from apps.accounts.selectors.credentials import LoginIdentity, login_identity
from apps.accounts.throttling import throttle_password
from urfmp.common.security.password_validators import MAX_LENGTH, MIN_LENGTH
from urfmp.common.tenancy.context import tenant_transaction


class EmailBackend:
    """Verify passwords, in the same time for unknown e-mail addresses."""

    def authenticate(
        self, request: HttpRequest | None, username: str = "", password: str = "", **_: Any
    ) -> User | None:
        """Return the active user with this e-mail address and password, or None.

        Raises:
            TooManyAttemptsError: The attempts are used up, whether or not a user has the address.
                No password was hashed.
            PasswordHashingOverloadedError: Too many passwords are being hashed. The attempt does
                not count.
        """
        identity = login_identity(username)
        client_scope = trusted_device(request, identity) if request else None
        address = client_ip(request) if request else None
        with throttle_password(identity.account_hash, client_scope, address) as attempt:
            user = self._verify_password(identity, username, password)
            attempt.is_right = user is not None
        return user

    def _verify_password(
        self, identity: LoginIdentity, username: str, password: str
    ) -> User | None:
        if len(password) > MAX_LENGTH:  # cannot be right, because no user can set it
            return None
        if identity.organization_id is None:
            make_password(password)
            return None
        with tenant_transaction(identity.organization_id):
            user: User = User.objects.get_by_natural_key(username.strip())
            if not (user.check_password(password) and user.is_active):
                return None
            # A password this short is valid only while a second factor is enabled.
            user.password_needs_second_factor = len(password) < MIN_LENGTH
            if user.password_needs_second_factor and not user.has_second_factor:
                return None
            return user

    def get_user(self, user_id: UUID) -> User | None:
        """Return an active user of the open tenant transaction's organization."""
        user: User | None = User.objects.able_to_log_in().filter(pk=user_id).first()
        return user
