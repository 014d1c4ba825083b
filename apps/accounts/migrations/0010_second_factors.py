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
        ("accounts", "0009_key_limits"),
        ("organizations", "0002_constraints"),
    ]

    operations = [
        migrations.CreateModel(
            name="SecondFactor",
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
                ("seed", models.TextField(editable=False)),
                (
                    "recovery_digests",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(),
                        db_default=models.Value(
                            [],
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.TextField(), size=None
                            ),
                        ),
                        default=list,
                        editable=False,
                        size=None,
                    ),
                ),
                ("last_step", models.BigIntegerField(editable=False, null=True)),
                ("confirmed_at", models.DateTimeField(editable=False, null=True)),
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
                "db_table": "second_factors",
                "ordering": ("-created_at", "id"),
                "indexes": [models.Index(fields=["organization"], name="idx_factors_organization")],
                "constraints": [
                    models.UniqueConstraint(fields=("user",), name="second_factors_user_key")
                ],
            },
        ),
        run_sql(__file__, "0010_second_factors"),
        protect_table(
            "second_factors",
            "accounts.second_factor",
            ignored=("last_step",),
            secret=("seed", "recovery_digests"),
        ),
    ]
