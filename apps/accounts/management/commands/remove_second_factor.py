from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.auth.password_validators import ALONE
from apps.accounts.exceptions import SecondFactorStateError
from apps.accounts.management.users import person_named
from apps.accounts.services.second_factors import second_factor_reset


class Command(BaseCommand):
    """For the last admin of an organization; everybody else asks an admin."""

    help = "Remove the second factor of a person who has lost app and recovery codes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")

    def handle(self, *args: Any, **options: Any) -> None:
        email = options["email"].strip()
        with person_named(email) as user:
            try:
                second_factor_reset(user)
            except SecondFactorStateError as error:
                msg = f"{email} has no second factor."
                raise CommandError(msg) from error
        self.stdout.write(
            f"{email} signs in with the password alone from now on. One under {ALONE} characters is"
            " good no more: they choose another by “Forgot password?”, or by the link that"
            " manage.py password_link makes."
        )
