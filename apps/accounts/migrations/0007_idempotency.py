from __future__ import annotations

import uuid

import django.db.models.deletion
from django.db import migrations, models

import urfmp.common.db.fields
from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_api_tokens"),
        ("organizations", "0002_constraints"),
    ]

    operations = [
        migrations.CreateModel(
            name="IdempotencyRecord",
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
                ("principal_id", models.UUIDField(editable=False)),
                ("key", models.CharField(editable=False, max_length=255)),
                ("request_hash", models.CharField(editable=False, max_length=64)),
                ("status_code", models.SmallIntegerField(editable=False)),
                ("answer", models.TextField(editable=False)),
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
            ],
            options={
                "db_table": "idempotency_keys",
                "ordering": ("-created_at", "id"),
                "indexes": [
                    models.Index(
                        fields=["organization", "created_at"], name="idx_idempotency_organization"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("principal_id", "key"), name="idempotency_keys_principal_key"
                    )
                ],
            },
        ),
        run_sql(__file__, "0007_idempotency"),
    ]
