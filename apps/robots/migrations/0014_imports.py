from __future__ import annotations

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import urfmp.common.db.fields
from urfmp.db.operations import protect_table, require_own_users, run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0021_own_users"),
        ("organizations", "0009_platform_fleet"),
        ("robots", "0013_expired_commands"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="RobotImport",
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
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("checking", "Checking"),
                            ("checked", "Checked, not started"),
                            ("running", "Running"),
                            ("completed", "Completed"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                        ],
                        db_default="checking",
                        default="checking",
                        editable=False,
                        max_length=20,
                    ),
                ),
                (
                    "mode",
                    models.CharField(
                        choices=[
                            ("good_rows", "Import the good rows"),
                            ("all_or_nothing", "All or nothing"),
                        ],
                        editable=False,
                        max_length=20,
                        null=True,
                    ),
                ),
                ("row_count", models.IntegerField(editable=False)),
                ("rows_done", models.IntegerField(db_default=0, default=0, editable=False)),
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
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "created_by_key",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.apikey",
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
                "db_table": "robot_imports",
                "ordering": ("-created_at", "id"),
            },
        ),
        migrations.CreateModel(
            name="RobotImportRow",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("line", models.IntegerField(editable=False)),
                ("values", models.JSONField(editable=False)),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("create", "Create"),
                            ("update", "Update"),
                            ("unchanged", "Unchanged"),
                            ("bad", "Bad"),
                        ],
                        editable=False,
                        max_length=20,
                        null=True,
                    ),
                ),
                ("is_done", models.BooleanField(db_default=False, default=False, editable=False)),
                (
                    "errors",
                    models.JSONField(
                        db_default=models.Value({}, models.JSONField()),
                        default=dict,
                        editable=False,
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
                    "robot_import",
                    models.ForeignKey(
                        db_column="import_id",
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="robots.robotimport",
                    ),
                ),
            ],
            options={
                "db_table": "robot_import_rows",
                "ordering": ("robot_import", "line"),
            },
        ),
        migrations.AddIndex(
            model_name="robotimport",
            index=models.Index(
                fields=["organization", "created_at"], name="idx_robot_imports_created"
            ),
        ),
        migrations.AddIndex(
            model_name="robotimport",
            index=models.Index(fields=["created_by"], name="idx_robot_imports_author"),
        ),
        migrations.AddIndex(
            model_name="robotimport",
            index=models.Index(fields=["created_by_key"], name="idx_robot_imports_key"),
        ),
        migrations.AddConstraint(
            model_name="robotimport",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "status__in",
                        ["checking", "checked", "running", "completed", "failed", "cancelled"],
                    )
                ),
                name="robot_imports_status_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="robotimport",
            constraint=models.CheckConstraint(
                condition=models.Q(("mode__in", ["good_rows", "all_or_nothing"])),
                name="robot_imports_mode_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="robotimport",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("created_by__isnull", True), ("created_by_key__isnull", False)),
                    models.Q(("created_by__isnull", False), ("created_by_key__isnull", True)),
                    _connector="OR",
                ),
                name="robot_imports_author_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="robotimportrow",
            constraint=models.UniqueConstraint(
                fields=("robot_import", "line"), name="robot_import_rows_line_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="robotimportrow",
            constraint=models.CheckConstraint(
                condition=models.Q(("outcome__in", ["create", "update", "unchanged", "bad"])),
                name="robot_import_rows_outcome_check",
            ),
        ),
        run_sql(__file__, "0014_imports"),
        protect_table(
            "robot_imports", "robots.import", ignored=("rows_done", "lease_id", "leased_until")
        ),
        require_own_users("robot_imports", "created_by"),
    ]
