from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.credentials import user_organization
from apps.accounts.link_services import link_make
from apps.accounts.links import link_address
from apps.accounts.models import User
from urfmp.common.tenancy import tenant_transaction


class Command(BaseCommand):
    """For installations without e-mail, and for admins who lock themselves out."""

    help = "Print a link with which a person chooses a password. Hand it over safely: it lets in."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")

    def handle(self, *args: Any, **options: Any) -> None:
        email = options["email"].strip()
        organization_id = user_organization(email)
        if organization_id is None:
            msg = f"Nobody who may sign in has the address {email}."
            raise CommandError(msg)
        with tenant_transaction(organization_id):
            user = User.objects.get_by_natural_key(email)
            token, expires_at = link_make(user, user.password_link_purpose)
        self.stdout.write(f"Until {expires_at:%Y-%m-%d %H:%M} UTC, once: {link_address(token)}")
