from __future__ import annotations

import uuid

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import urfmp.common.db.fields
from urfmp.db.operations import protect_table, run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0010_second_factors"),
        ("organizations", "0004_platform"),
    ]

    operations = [
        migrations.CreateModel(
            name="Invitation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=urfmp.common.db.fields.GenerateUuid(),
                        default=uuid.uuid4,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("email", models.EmailField(max_length=255, verbose_name="e-mail")),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("super_admin", "Super admin"),
                            ("admin", "Admin"),
                            ("manager", "Manager"),
                            ("operator", "Operator"),
                            ("technician", "Technician"),
                            ("viewer", "Viewer"),
                            ("custom", "Custom"),
                        ],
                        db_default="operator",
                        default="operator",
                        max_length=50,
                    ),
                ),
                (
                    "permissions",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(),
                        blank=True,
                        db_default=models.Value(
                            [],
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.TextField(), size=None
                            ),
                        ),
                        default=list,
                        size=None,
                    ),
                ),
                ("token_digest", models.CharField(editable=False, max_length=64, null=True)),
                ("expires_at", models.DateTimeField(editable=False)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=urfmp.common.db.fields.TransactionTimestamp(),
                        editable=False,
                        null=True,
                    ),
                ),
                (
                    "invited_by",
                    models.ForeignKey(
                        blank=True,
                        db_column="invited_by",
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="organizations.organization",
                    ),
                ),
            ],
            options={
                "db_table": "invitations",
                "ordering": ("-created_at", "id"),
                "indexes": [models.Index(fields=["invited_by"], name="idx_invitations_invited_by")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "email"), name="invitations_organization_email_key"
                    ),
                    models.UniqueConstraint(
                        fields=("token_digest",), name="invitations_digest_key"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "role__in",
                                [
                                    "super_admin",
                                    "admin",
                                    "manager",
                                    "operator",
                                    "technician",
                                    "viewer",
                                    "custom",
                                ],
                            )
                        ),
                        name="invitations_role_check",
                    ),
                ],
            },
        ),
        run_sql(__file__, "0011_invitations"),
        protect_table("invitations", "accounts.invitation", secret=("token_digest",)),
    ]
