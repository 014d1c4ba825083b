from __future__ import annotations

import secrets
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from apps.accounts.choices import PLATFORM_SLUG, Role
from apps.accounts.services.users import user_create
from apps.organizations.choices import Plan
from apps.organizations.models import Organization
from apps.organizations.services.organizations import organization_create
from urfmp.common.tenancy.context import tenant_transaction
from urfmp.common.tenancy.organizations import organization_ids


class Command(BaseCommand):
    help = "Create a super admin of the platform, and print the password once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")

    def handle(self, *args: Any, **options: Any) -> None:
        password = secrets.token_urlsafe(18)
        try:
            with transaction.atomic():
                platform = _platform() or organization_create(
                    name="Platform", slug=PLATFORM_SLUG, plan=Plan.ENTERPRISE
                )
                with tenant_transaction(platform.pk):
                    user_create(
                        organization_id=platform.pk,
                        email=options["email"],
                        role=Role.SUPER_ADMIN,
                        password=password,
                    )
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        self.stdout.write(f"Sign in as {options['email']}")
        self.stdout.write(f"Password: {password}")


def _platform() -> Organization | None:
    for organization_id in organization_ids():
        with tenant_transaction(organization_id):
            found: Organization = Organization.objects.get(pk=organization_id)
        if found.slug == PLATFORM_SLUG:
            return found
    return None
