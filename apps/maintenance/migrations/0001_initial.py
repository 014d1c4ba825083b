from __future__ import annotations

import uuid

import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import urfmp.common.db.fields


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("organizations", "0001_initial"),
        ("robots", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="MaintenanceTask",
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
                ("title", models.CharField(max_length=255)),
                ("description", models.TextField(blank=True, null=True)),
                (
                    "type",
                    models.CharField(
                        choices=[
                            ("preventive", "Preventive"),
                            ("corrective", "Corrective"),
                            ("predictive", "Predictive"),
                            ("condition_based", "Condition-based"),
                            ("emergency", "Emergency"),
                            ("calibration", "Calibration"),
                            ("inspection", "Inspection"),
                            ("cleaning", "Cleaning"),
                            ("lubrication", "Lubrication"),
                            ("replacement", "Replacement"),
                            ("upgrade", "Upgrade"),
                            ("custom", "Custom"),
                        ],
                        max_length=50,
                    ),
                ),
                (
                    "priority",
                    models.CharField(
                        choices=[
                            ("low", "Low"),
                            ("medium", "Medium"),
                            ("high", "High"),
                            ("critical", "Critical"),
                        ],
                        db_default="medium",
                        default="medium",
                        max_length=20,
                        null=True,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("scheduled", "Scheduled"),
                            ("pending", "Pending"),
                            ("in_progress", "In progress"),
                            ("on_hold", "On hold"),
                            ("requires_approval", "Requires approval"),
                            ("completed", "Completed"),
                            ("cancelled", "Cancelled"),
                            ("overdue", "Overdue"),
                        ],
                        db_default="scheduled",
                        default="scheduled",
                        editable=False,
                        max_length=50,
                        null=True,
                    ),
                ),
                ("scheduled_at", models.DateTimeField(blank=True, null=True)),
                (
                    "due_at",
                    models.DateTimeField(
                        blank=True, help_text="Empty means the scheduled time.", null=True
                    ),
                ),
                ("started_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("completed_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "estimated_duration",
                    models.IntegerField(
                        blank=True,
                        help_text="Minutes.",
                        null=True,
                        validators=[django.core.validators.MinValueValidator(0)],
                    ),
                ),
                (
                    "actual_duration",
                    models.IntegerField(
                        blank=True,
                        help_text="Minutes.",
                        null=True,
                        validators=[django.core.validators.MinValueValidator(0)],
                    ),
                ),
                (
                    "cost",
                    models.DecimalField(blank=True, decimal_places=2, max_digits=10, null=True),
                ),
                (
                    "parts_used",
                    models.JSONField(
                        blank=True, help_text="[{part, name, quantity, unit_cost}]", null=True
                    ),
                ),
                ("notes", models.TextField(blank=True, null=True)),
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
                    "assigned_to",
                    models.ForeignKey(
                        blank=True,
                        db_column="assigned_to",
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
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
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="robots.robot",
                    ),
                ),
            ],
            options={
                "db_table": "maintenance_tasks",
                "ordering": ("due_at", "id"),
                "indexes": [
                    models.Index(fields=["robot"], name="idx_maintenance_robot"),
                    models.Index(fields=["status"], name="idx_maintenance_status"),
                    models.Index(fields=["scheduled_at"], name="idx_maintenance_scheduled"),
                    models.Index(
                        fields=["organization", "due_at"], name="idx_maintenance_organization"
                    ),
                    models.Index(fields=["assigned_to"], name="idx_maintenance_assigned"),
                    models.Index(fields=["created_by"], name="idx_maintenance_created_by"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "type__in",
                                [
                                    "preventive",
                                    "corrective",
                                    "predictive",
                                    "condition_based",
                                    "emergency",
                                    "calibration",
                                    "inspection",
                                    "cleaning",
                                    "lubrication",
                                    "replacement",
                                    "upgrade",
                                    "custom",
                                ],
                            )
                        ),
                        name="maintenance_tasks_type_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("priority__in", ["low", "medium", "high", "critical"])),
                        name="maintenance_tasks_priority_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "status__in",
                                [
                                    "scheduled",
                                    "pending",
                                    "in_progress",
                                    "on_hold",
                                    "requires_approval",
                                    "completed",
                                    "cancelled",
                                    "overdue",
                                ],
                            )
                        ),
                        name="maintenance_tasks_status_check",
                    ),
                ],
            },
        ),
    ]
