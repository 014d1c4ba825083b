from __future__ import annotations

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import urfmp.common.db.fields
from urfmp.db.operations import protect_table, require_own_users, run_sql


def _reference(to: str, on_delete: object, **options: object) -> models.ForeignKey:
    return models.ForeignKey(
        db_constraint=False,
        db_index=False,
        editable=False,
        on_delete=on_delete,
        related_name="+",
        to=to,
        **options,
    )


class Migration(migrations.Migration):
    dependencies = [
        ("organizations", "0009_platform_fleet"),
        ("robots", "0011_command_lifetime"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="RobotClaimCode",
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
                ("code_digest", models.CharField(editable=False, max_length=64)),
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
                    "created_by",
                    _reference(
                        settings.AUTH_USER_MODEL,
                        django.db.models.deletion.PROTECT,
                        db_column="created_by",
                    ),
                ),
                (
                    "organization",
                    _reference("organizations.organization", django.db.models.deletion.PROTECT),
                ),
                ("robot", _reference("robots.robot", django.db.models.deletion.DO_NOTHING)),
            ],
            options={
                "db_table": "robot_claim_codes",
                "ordering": ("-created_at", "id"),
                "indexes": [
                    models.Index(fields=["organization"], name="idx_claim_codes_organization"),
                    models.Index(fields=["created_by"], name="idx_claim_codes_author"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("robot",), name="robot_claim_codes_robot_key"),
                    models.UniqueConstraint(
                        fields=("code_digest",), name="robot_claim_codes_digest_key"
                    ),
                ],
            },
        ),
        run_sql(__file__, "0012_claim_codes"),
        protect_table("robot_claim_codes", "robots.claim_code", secret=("code_digest",)),
        require_own_users("robot_claim_codes", "created_by"),
    ]
