from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.credentials import user_organization
from apps.accounts.exceptions import SecondFactorStateError
from apps.accounts.models import User
from apps.accounts.second_factors import second_factor_remove
from urfmp.common.tenancy import tenant_transaction


class Command(BaseCommand):
    """For the last admin of an organization; everybody else asks an admin."""

    help = "Remove the second factor of a person who has lost app and recovery codes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")

    def handle(self, *args: Any, **options: Any) -> None:
        email = options["email"].strip()
        organization_id = user_organization(email)
        if organization_id is None:
            msg = f"Nobody who may sign in has the address {email}."
            raise CommandError(msg)
        with tenant_transaction(organization_id):
            try:
                second_factor_remove(User.objects.get_by_natural_key(email))
            except SecondFactorStateError as error:
                msg = f"{email} has no second factor."
                raise CommandError(msg) from error
        self.stdout.write(f"{email} signs in with the password alone from now on.")
