from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.accounts.management.users import person_named
from apps.accounts.selectors.one_time_links import link_address
from apps.accounts.services.one_time_links import link_make


class Command(BaseCommand):
    """For installations without e-mail, and for admins who lock themselves out."""

    help = "Print a link with which a person chooses a password. Hand it over safely: it lets in."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")

    def handle(self, *args: Any, **options: Any) -> None:
        email = options["email"].strip()
        with person_named(email) as user:
            token, expires_at = link_make(user, user.password_link_purpose)
        self.stdout.write(f"Until {expires_at:%Y-%m-%d %H:%M} UTC, once: {link_address(token)}")
