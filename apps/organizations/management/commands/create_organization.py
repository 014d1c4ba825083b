from __future__ import annotations

import secrets
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from apps.accounts.choices import Role
from apps.accounts.services.users import user_create
from apps.organizations.choices import Plan
from apps.organizations.services.organizations import organization_create
from urfmp.common.tenancy.context import tenant_transaction


class Command(BaseCommand):
    help = "Create an organization and its first admin, and print the admin's password once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--slug", required=True)
        parser.add_argument("--admin-email", required=True)
        parser.add_argument(
            "--plan",
            choices=Plan.values,
            default=Plan.ENTERPRISE,
            help="Plan with its limits; the default has none.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        password = secrets.token_urlsafe(18)
        try:
            with transaction.atomic():
                organization = organization_create(
                    name=options["name"], slug=options["slug"], plan=options["plan"]
                )
                with tenant_transaction(organization.id):
                    user_create(
                        organization_id=organization.id,
                        email=options["admin_email"],
                        role=Role.ADMIN,
                        password=password,
                    )
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        self.stdout.write(f"{organization.name} created. Sign in as {options['admin_email']}")
        self.stdout.write(f"Password: {password}")
