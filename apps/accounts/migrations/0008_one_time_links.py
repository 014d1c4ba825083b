from __future__ import annotations

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import urfmp.common.db.fields
from urfmp.db.operations import protect_table, run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0007_idempotency"),
        ("organizations", "0002_constraints"),
    ]

    operations = [
        migrations.CreateModel(
            name="OneTimeLink",
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
                (
                    "purpose",
                    models.CharField(
                        choices=[
                            ("password_reset", "Password reset"),
                            ("invitation", "Invitation"),
                        ],
                        max_length=50,
                    ),
                ),
                ("token_digest", models.CharField(editable=False, max_length=64)),
                ("expires_at", models.DateTimeField()),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=urfmp.common.db.fields.TransactionTimestamp(),
                        editable=False,
                        null=True,
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
                (
                    "user",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "one_time_links",
                "ordering": ("-created_at", "id"),
                "indexes": [models.Index(fields=["organization"], name="idx_links_organization")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("token_digest",), name="one_time_links_digest_key"
                    ),
                    models.UniqueConstraint(
                        fields=("user", "purpose"), name="one_time_links_user_purpose_key"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("purpose__in", ["password_reset", "invitation"])),
                        name="one_time_links_purpose_check",
                    ),
                ],
            },
        ),
        run_sql(__file__, "0008_one_time_links"),
        protect_table("one_time_links", "accounts.link", secret=("token_digest",)),
    ]
