from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.accounts.management.users import get_user_by_email
from apps.accounts.selectors.one_time_links import link_url
from apps.accounts.services.one_time_links import link_create


class Command(BaseCommand):
    """Password links for installations without e-mail and for locked-out admins."""

    help = "Print a one-time link to set a password. Send it over a secure channel."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")

    def handle(self, *args: Any, **options: Any) -> None:
        email = options["email"].strip()
        with get_user_by_email(email) as user:
            token, expires_at = link_create(user, user.password_link_purpose)
        self.stdout.write(f"Valid once, until {expires_at:%Y-%m-%d %H:%M} UTC: {link_url(token)}")
