"""Look-up of users for management commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError

from apps.accounts.models import User
from apps.accounts.selectors.credentials import user_organization_id
from urfmp.common.tenancy.context import tenant_transaction


@contextmanager
def get_user_by_email(email: str) -> Iterator[User]:
    """Return the user with an address, inside their organization's transaction.

    Raises:
        CommandError: No active user has this address.
    """
    organization_id = user_organization_id(email)
    if organization_id is None:
        msg = f"No active user has the address {email}."
        raise CommandError(msg)
    with tenant_transaction(organization_id):
        yield User.objects.get_by_natural_key(email)
