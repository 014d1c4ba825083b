"""What commands about one person share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError

from apps.accounts.models import User
from apps.accounts.selectors.credentials import user_organization
from urfmp.common.tenancy.context import tenant_transaction


@contextmanager
def person_named(email: str) -> Iterator[User]:
    """Give the person with an address, inside their organization's transaction.

    Raises:
        CommandError: Nobody who may sign in has it.
    """
    organization_id = user_organization(email)
    if organization_id is None:
        msg = f"Nobody who may sign in has the address {email}."
        raise CommandError(msg)
    with tenant_transaction(organization_id):
        yield User.objects.get_by_natural_key(email)
