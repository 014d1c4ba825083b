from __future__ import annotations

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import urfmp.common.db.fields


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("organizations", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="AuditLog",
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
                ("api_key_id", models.UUIDField(null=True)),
                ("action", models.CharField(max_length=100)),
                ("resource_type", models.CharField(max_length=50, null=True)),
                ("resource_id", models.UUIDField(null=True)),
                ("before", models.JSONField(null=True)),
                ("after", models.JSONField(null=True)),
                ("ip_address", models.GenericIPAddressField(null=True, verbose_name="IP address")),
                ("user_agent", models.TextField(null=True)),
                ("request_id", models.CharField(max_length=64, null=True)),
                ("request_data", models.JSONField(null=True)),
                ("response_data", models.JSONField(null=True)),
                ("success", models.BooleanField()),
                ("error_message", models.TextField(null=True)),
                ("seq", models.BigIntegerField(null=True)),
                ("hash", models.BinaryField(null=True)),
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
                        null=True,
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
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "audit record",
                "db_table": "audit_logs",
                "ordering": ("-created_at", "id"),
                "indexes": [
                    models.Index(fields=["organization"], name="idx_audit_organization"),
                    models.Index(fields=["user"], name="idx_audit_user"),
                    models.Index(fields=["created_at"], name="idx_audit_created"),
                    models.Index(fields=["action"], name="idx_audit_action"),
                    models.Index(
                        fields=["organization", "-created_at"],
                        name="idx_audit_organization_created",
                    ),
                    models.Index(
                        fields=["resource_type", "resource_id"], name="idx_audit_resource"
                    ),
                ],
            },
        ),
    ]
