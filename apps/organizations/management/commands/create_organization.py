from __future__ import annotations

import secrets
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from apps.accounts.choices import Role
from apps.accounts.services import user_create
from apps.organizations.models import PLATFORM_SLUG
from apps.organizations.services import organization_create
from urfmp.common.tenancy import tenant_transaction


class Command(BaseCommand):
    """Make an organization with its first administrator, both or neither.

    The organization called `platform` gets a super admin.
    """

    help = "Make an organization and its first administrator; print the password once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="lower-case letters, digits and dashes")
        parser.add_argument("--name", help="default: the slug")
        parser.add_argument("--admin", required=True, metavar="EMAIL")
        parser.add_argument("--timezone", default="UTC", help="IANA name, as in Europe/Berlin")

    def handle(
        self, *, slug: str, name: str | None, admin: str, timezone: str, **options: Any
    ) -> None:
        password = secrets.token_urlsafe(18)
        try:
            with transaction.atomic():
                organization = organization_create(
                    name=name or slug, slug=slug, settings={"timezone": timezone}
                )
                with tenant_transaction(organization.id):
                    user_create(
                        organization_id=organization.id,
                        email=admin,
                        role=Role.SUPER_ADMIN if slug == PLATFORM_SLUG else Role.ADMIN,
                        password=password,
                    )
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stdout.write(f"{admin} may sign in; the password is {password}")
