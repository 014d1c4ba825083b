from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.exceptions import SecondFactorStateError
from apps.accounts.management.users import get_user_by_email
from apps.accounts.services.second_factors import second_factor_reset
from urfmp.common.security.password_validators import MIN_LENGTH


class Command(BaseCommand):
    """Second factor removal for the last admin of an organization."""

    help = "Remove the second factor of a user who has lost app and recovery codes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")

    def handle(self, *args: Any, **options: Any) -> None:
        email = options["email"].strip()
        with get_user_by_email(email) as user:
            try:
                second_factor_reset(user)
            except SecondFactorStateError as error:
                msg = f"{email} has no second factor."
                raise CommandError(msg) from error
        self.stdout.write(
            f"Second factor removed for {email}. A password under {MIN_LENGTH} characters must now"
            " be reset, with “Forgot password?” or manage.py password_link."
        )
