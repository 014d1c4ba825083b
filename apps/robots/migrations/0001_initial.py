from __future__ import annotations

import uuid

import django.contrib.postgres.indexes
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
            name="RobotStatusHistory",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "robot",
                        "time",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "time",
                    models.DateTimeField(db_default=urfmp.common.db.fields.TransactionTimestamp()),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("offline", "Offline"),
                            ("online", "Online"),
                            ("idle", "Idle"),
                            ("running", "Running"),
                            ("charging", "Charging"),
                            ("stopped", "Stopped"),
                            ("maintenance", "Maintenance"),
                            ("error", "Error"),
                            ("emergency_stop", "Emergency stop"),
                        ],
                        max_length=50,
                    ),
                ),
                (
                    "previous_status",
                    models.CharField(
                        choices=[
                            ("offline", "Offline"),
                            ("online", "Online"),
                            ("idle", "Idle"),
                            ("running", "Running"),
                            ("charging", "Charging"),
                            ("stopped", "Stopped"),
                            ("maintenance", "Maintenance"),
                            ("error", "Error"),
                            ("emergency_stop", "Emergency stop"),
                        ],
                        max_length=50,
                        null=True,
                    ),
                ),
                ("reason", models.TextField(null=True)),
                ("metadata", models.JSONField(null=True)),
            ],
            options={
                "verbose_name_plural": "robot status history",
                "db_table": "robot_status_history",
                "ordering": ("-time",),
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="Robot",
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
                ("name", models.CharField(max_length=255)),
                ("model", models.CharField(blank=True, max_length=100, null=True)),
                (
                    "vendor",
                    models.CharField(
                        help_text="universal_robots, kuka, abb, …; or one of your own.",
                        max_length=50,
                    ),
                ),
                ("serial_number", models.CharField(blank=True, max_length=100, null=True)),
                ("firmware_version", models.CharField(blank=True, max_length=50, null=True)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("offline", "Offline"),
                            ("online", "Online"),
                            ("idle", "Idle"),
                            ("running", "Running"),
                            ("charging", "Charging"),
                            ("stopped", "Stopped"),
                            ("maintenance", "Maintenance"),
                            ("error", "Error"),
                            ("emergency_stop", "Emergency stop"),
                        ],
                        db_default="offline",
                        default="offline",
                        editable=False,
                        max_length=50,
                        null=True,
                    ),
                ),
                (
                    "reported_status",
                    models.CharField(
                        choices=[
                            ("online", "Online"),
                            ("idle", "Idle"),
                            ("running", "Running"),
                            ("charging", "Charging"),
                            ("stopped", "Stopped"),
                            ("error", "Error"),
                            ("emergency_stop", "Emergency stop"),
                        ],
                        db_default="online",
                        default="online",
                        editable=False,
                        max_length=50,
                    ),
                ),
                (
                    "lifecycle",
                    models.CharField(
                        choices=[
                            ("planned", "Planned"),
                            ("staging", "Staging"),
                            ("active", "Active"),
                            ("decommissioning", "Decommissioning"),
                            ("retired", "Retired"),
                        ],
                        db_default="active",
                        default="active",
                        max_length=20,
                    ),
                ),
                ("stop_latched_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "maintenance_locked_at",
                    models.DateTimeField(blank=True, editable=False, null=True),
                ),
                (
                    "location",
                    models.JSONField(
                        blank=True, help_text="{facility, area, cell, coordinates}", null=True
                    ),
                ),
                (
                    "configuration",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="{axes, payload (kg), reach (mm), capabilities, customSettings}",
                    ),
                ),
                ("connection_config", models.JSONField(blank=True, editable=False, null=True)),
                ("last_seen", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "is_active",
                    models.BooleanField(
                        db_default=True, default=True, null=True, verbose_name="active"
                    ),
                ),
                ("version", models.PositiveIntegerField(db_default=1, default=1, editable=False)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=urfmp.common.db.fields.TransactionTimestamp(),
                        editable=False,
                        null=True,
                    ),
                ),
                (
                    "updated_at",
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
                "db_table": "robots",
                "ordering": ("name", "id"),
            },
        ),
        migrations.CreateModel(
            name="RobotCommand",
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
                    "type",
                    models.CharField(
                        choices=[
                            ("start", "Start"),
                            ("stop", "Stop"),
                            ("pause", "Pause"),
                            ("resume", "Resume"),
                            ("emergency_stop", "Stop request"),
                            ("reset", "Reset"),
                            ("move_to_position", "Move to position"),
                            ("run_program", "Run program"),
                            ("load_program", "Load program"),
                            ("set_speed", "Set speed"),
                            ("calibrate", "Calibrate"),
                            ("update_firmware", "Update firmware"),
                            ("custom", "Custom"),
                        ],
                        max_length=50,
                    ),
                ),
                (
                    "payload",
                    models.JSONField(
                        blank=True,
                        db_default=models.Value({}, models.JSONField()),
                        default=dict,
                        null=True,
                    ),
                ),
                (
                    "priority",
                    models.CharField(
                        choices=[
                            ("low", "Low"),
                            ("normal", "Normal"),
                            ("high", "High"),
                            ("critical", "Critical"),
                        ],
                        db_default="normal",
                        default="normal",
                        max_length=20,
                        null=True,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("pending_approval", "Pending approval"),
                            ("sent", "Sent"),
                            ("acknowledged", "Acknowledged"),
                            ("executing", "Executing"),
                            ("completed", "Completed"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                            ("rejected", "Rejected"),
                            ("timeout", "Timeout"),
                            ("unknown", "Unknown"),
                        ],
                        db_default="pending",
                        default="pending",
                        max_length=50,
                        null=True,
                    ),
                ),
                ("scheduled_at", models.DateTimeField(blank=True, null=True)),
                ("executed_at", models.DateTimeField(blank=True, null=True)),
                ("completed_at", models.DateTimeField(blank=True, null=True)),
                ("error_message", models.TextField(blank=True, null=True)),
                ("result", models.JSONField(blank=True, null=True)),
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
                    "robot",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="robots.robot",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
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
                "verbose_name": "command",
                "db_table": "robot_commands",
                "ordering": ("-created_at", "id"),
            },
        ),
        migrations.AddIndex(
            model_name="robot",
            index=models.Index(fields=["organization"], name="idx_robots_organization"),
        ),
        migrations.AddIndex(
            model_name="robot",
            index=models.Index(fields=["status"], name="idx_robots_status"),
        ),
        migrations.AddIndex(
            model_name="robot",
            index=models.Index(fields=["vendor"], name="idx_robots_vendor"),
        ),
        migrations.AddIndex(
            model_name="robot",
            index=models.Index(fields=["last_seen"], name="idx_robots_last_seen"),
        ),
        migrations.AddIndex(
            model_name="robot",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["location"], name="idx_robots_location", opclasses=("jsonb_path_ops",)
            ),
        ),
        migrations.AddIndex(
            model_name="robot",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["configuration"],
                name="idx_robots_configuration",
                opclasses=("jsonb_path_ops",),
            ),
        ),
        migrations.AddConstraint(
            model_name="robot",
            constraint=models.UniqueConstraint(
                fields=("organization", "id"), name="robots_organization_id_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="robot",
            constraint=models.UniqueConstraint(
                fields=("organization", "serial_number"), name="robots_organization_serial_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="robot",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "status__in",
                        [
                            "offline",
                            "online",
                            "idle",
                            "running",
                            "charging",
                            "stopped",
                            "maintenance",
                            "error",
                            "emergency_stop",
                        ],
                    )
                ),
                name="robots_status_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="robot",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "reported_status__in",
                        [
                            "online",
                            "idle",
                            "running",
                            "charging",
                            "stopped",
                            "error",
                            "emergency_stop",
                        ],
                    )
                ),
                name="robots_reported_status_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="robot",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "lifecycle__in",
                        ["planned", "staging", "active", "decommissioning", "retired"],
                    )
                ),
                name="robots_lifecycle_check",
            ),
        ),
        migrations.AddIndex(
            model_name="robotcommand",
            index=models.Index(fields=["robot"], name="idx_commands_robot"),
        ),
        migrations.AddIndex(
            model_name="robotcommand",
            index=models.Index(fields=["status"], name="idx_commands_status"),
        ),
        migrations.AddIndex(
            model_name="robotcommand",
            index=models.Index(fields=["created_at"], name="idx_commands_created"),
        ),
        migrations.AddIndex(
            model_name="robotcommand",
            index=models.Index(
                fields=["organization", "-created_at"], name="idx_commands_organization"
            ),
        ),
        migrations.AddIndex(
            model_name="robotcommand",
            index=models.Index(fields=["user"], name="idx_commands_user"),
        ),
        migrations.AddConstraint(
            model_name="robotcommand",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "type__in",
                        [
                            "start",
                            "stop",
                            "pause",
                            "resume",
                            "emergency_stop",
                            "reset",
                            "move_to_position",
                            "run_program",
                            "load_program",
                            "set_speed",
                            "calibrate",
                            "update_firmware",
                            "custom",
                        ],
                    )
                ),
                name="robot_commands_type_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="robotcommand",
            constraint=models.CheckConstraint(
                condition=models.Q(("priority__in", ["low", "normal", "high", "critical"])),
                name="robot_commands_priority_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="robotcommand",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "status__in",
                        [
                            "pending",
                            "pending_approval",
                            "sent",
                            "acknowledged",
                            "executing",
                            "completed",
                            "failed",
                            "cancelled",
                            "rejected",
                            "timeout",
                            "unknown",
                        ],
                    )
                ),
                name="robot_commands_status_check",
            ),
        ),
    ]
