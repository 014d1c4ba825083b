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
        ("robots", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Alert",
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
                            ("telemetry", "Telemetry"),
                            ("status", "Status"),
                            ("connectivity", "Connectivity"),
                            ("maintenance", "Maintenance"),
                            ("command", "Command"),
                            ("security", "Security"),
                            ("system", "System"),
                        ],
                        max_length=50,
                    ),
                ),
                (
                    "severity",
                    models.CharField(
                        choices=[
                            ("info", "Info"),
                            ("warning", "Warning"),
                            ("error", "Error"),
                            ("critical", "Critical"),
                        ],
                        max_length=20,
                    ),
                ),
                ("title", models.CharField(max_length=255)),
                ("message", models.TextField()),
                (
                    "source",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("robot", "Robot"),
                            ("system", "System"),
                            ("maintenance", "Maintenance"),
                            ("user", "User"),
                            ("integration", "Integration"),
                        ],
                        max_length=100,
                        null=True,
                    ),
                ),
                ("metadata", models.JSONField(blank=True, null=True)),
                (
                    "is_acknowledged",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        editable=False,
                        null=True,
                        verbose_name="acknowledged",
                    ),
                ),
                ("acknowledged_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "is_resolved",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        editable=False,
                        null=True,
                        verbose_name="resolved",
                    ),
                ),
                ("resolved_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=urfmp.common.db.fields.TransactionTimestamp(),
                        editable=False,
                        null=True,
                    ),
                ),
                (
                    "acknowledged_by",
                    models.ForeignKey(
                        blank=True,
                        db_column="acknowledged_by",
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
                "db_table": "alerts",
                "ordering": ("-created_at", "id"),
                "indexes": [
                    models.Index(fields=["robot"], name="idx_alerts_robot"),
                    models.Index(fields=["severity"], name="idx_alerts_severity"),
                    models.Index(fields=["created_at"], name="idx_alerts_created"),
                    models.Index(
                        condition=models.Q(("is_resolved", False)),
                        fields=["is_resolved", "created_at"],
                        name="idx_alerts_unresolved",
                    ),
                    models.Index(
                        fields=["organization", "-created_at"], name="idx_alerts_organization"
                    ),
                    models.Index(fields=["acknowledged_by"], name="idx_alerts_acknowledged"),
                    django.contrib.postgres.indexes.GinIndex(
                        fields=["metadata"],
                        name="idx_alerts_metadata",
                        opclasses=("jsonb_path_ops",),
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "type__in",
                                [
                                    "telemetry",
                                    "status",
                                    "connectivity",
                                    "maintenance",
                                    "command",
                                    "security",
                                    "system",
                                ],
                            )
                        ),
                        name="alerts_type_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("severity__in", ["info", "warning", "error", "critical"])
                        ),
                        name="alerts_severity_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "source__in",
                                ["robot", "system", "maintenance", "user", "integration"],
                            )
                        ),
                        name="alerts_source_check",
                    ),
                ],
            },
        ),
    ]
