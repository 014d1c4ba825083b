from __future__ import annotations

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import urfmp.common.db.fields
from urfmp.db.operations import protect_table, require_own_users, run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("organizations", "0007_names"),
        ("robots", "0004_names"),
        ("telemetry", "0011_own_robots"),
        ("accounts", "0021_own_users"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="TelemetryImport",
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
                ("file_name", models.CharField(editable=False, max_length=255)),
                ("file_bytes", models.BigIntegerField(editable=False)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("draft", "Not started"),
                            ("pending", "Waiting"),
                            ("running", "Running"),
                            ("completed", "Completed"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                        ],
                        db_default="draft",
                        default="draft",
                        editable=False,
                        max_length=20,
                    ),
                ),
                ("format", models.JSONField(editable=False, null=True)),
                ("bytes_done", models.BigIntegerField(db_default=0, default=0, editable=False)),
                ("last_row", models.BigIntegerField(db_default=0, default=0, editable=False)),
                ("accepted", models.BigIntegerField(db_default=0, default=0, editable=False)),
                ("duplicate", models.BigIntegerField(db_default=0, default=0, editable=False)),
                ("rejected", models.BigIntegerField(db_default=0, default=0, editable=False)),
                ("first_time", models.DateTimeField(editable=False, null=True)),
                ("last_time", models.DateTimeField(editable=False, null=True)),
                (
                    "errors",
                    models.JSONField(
                        db_default=models.Value([], models.JSONField()),
                        default=list,
                        editable=False,
                    ),
                ),
                ("error_message", models.TextField(db_default="", default="", editable=False)),
                ("lease_id", models.UUIDField(editable=False, null=True)),
                ("leased_until", models.DateTimeField(editable=False, null=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=urfmp.common.db.fields.TransactionTimestamp(),
                        editable=False,
                        null=True,
                    ),
                ),
                ("started_at", models.DateTimeField(editable=False, null=True)),
                ("ended_at", models.DateTimeField(editable=False, null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        db_column="created_by",
                        db_constraint=False,
                        db_index=False,
                        editable=False,
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
                (
                    "robot",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="robots.robot",
                    ),
                ),
            ],
            options={
                "db_table": "telemetry_imports",
                "ordering": ("-created_at", "id"),
            },
        ),
        migrations.CreateModel(
            name="TelemetryImportPart",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("number", models.IntegerField(editable=False)),
                ("data", models.BinaryField()),
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
                    "telemetry_import",
                    models.ForeignKey(
                        db_column="import_id",
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="telemetry.telemetryimport",
                    ),
                ),
            ],
            options={
                "db_table": "telemetry_import_parts",
                "ordering": ("telemetry_import", "number"),
            },
        ),
        migrations.AddIndex(
            model_name="telemetryimport",
            index=models.Index(
                fields=["organization", "created_at"], name="idx_telemetry_imports_created"
            ),
        ),
        migrations.AddIndex(
            model_name="telemetryimport",
            index=models.Index(fields=["robot"], name="idx_telemetry_imports_robot"),
        ),
        migrations.AddIndex(
            model_name="telemetryimport",
            index=models.Index(fields=["created_by"], name="idx_telemetry_imports_author"),
        ),
        migrations.AddConstraint(
            model_name="telemetryimport",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "status__in",
                        ["draft", "pending", "running", "completed", "failed", "cancelled"],
                    )
                ),
                name="telemetry_imports_status_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="telemetryimportpart",
            constraint=models.UniqueConstraint(
                fields=("telemetry_import", "number"), name="telemetry_import_parts_number_key"
            ),
        ),
        run_sql(__file__, "0012_imports"),
        protect_table(
            "telemetry_imports",
            "telemetry.import",
            ignored=(
                "bytes_done",
                "last_row",
                "accepted",
                "duplicate",
                "rejected",
                "first_time",
                "last_time",
                "errors",
                "lease_id",
                "leased_until",
            ),
        ),
        require_own_users("telemetry_imports", "created_by"),
    ]
