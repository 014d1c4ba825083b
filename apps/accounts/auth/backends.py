"""Sign-in by e-mail and password."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.http import HttpRequest

from apps.accounts.auth.trusted_devices import trusted_device
from apps.accounts.models import User
from apps.accounts.selectors.credentials import LoginIdentity, login_identity
from apps.accounts.throttling import throttle_password
from urfmp.common.security.password_validators import ALONE, MAX_LENGTH
from urfmp.common.tenancy.context import tenant_transaction


class EmailBackend:
    """Check a password; an unknown address costs as much time as a wrong password."""

    def authenticate(
        self, request: HttpRequest | None, username: str = "", password: str = "", **_: Any
    ) -> User | None:
        """Return the active person whom address and password belong to, else None.

        Raises:
            TooManyAttemptsError: Before any password is hashed, whether or not the address is
                anybody's.
            PasswordHashingOverloadedError: Too many others are being checked; it does not count.
        """
        account = login_identity(username)
        place = trusted_device(request, account) if request else None
        with throttle_password(account.account_hash, place):
            return self._check(account, username, password)

    def _check(self, account: LoginIdentity, username: str, password: str) -> User | None:
        if len(password) > MAX_LENGTH:  # nobody's: none that long was ever set
            return None
        if account.organization_id is None:
            make_password(password)
            return None
        with tenant_transaction(account.organization_id):
            user: User = User.objects.get_by_natural_key(username.strip())
            if not (user.check_password(password) and user.is_active):
                return None
            # Good beside a second factor alone, and dead with it, whoever removes that.
            user.password_needs_second_factor = len(password) < ALONE
            if user.password_needs_second_factor and not user.has_second_factor:
                return None
            return user

    def get_user(self, user_id: UUID) -> User | None:
        """Return an active person of the open tenant transaction's organization."""
        user: User | None = User.objects.able_to_log_in().filter(pk=user_id).first()
        return user
