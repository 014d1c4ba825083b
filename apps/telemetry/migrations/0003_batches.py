from __future__ import annotations

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import urfmp.common.db.fields
from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("organizations", "0002_constraints"),
        ("telemetry", "0002_telemetry_and_retention"),
    ]

    operations = [
        migrations.CreateModel(
            name="TelemetryBatch",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "robot_ids",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(), editable=False, size=None
                    ),
                ),
                (
                    "metric_names",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=100), editable=False, size=None
                    ),
                ),
                ("least_time", models.DateTimeField(editable=False)),
                ("greatest_time", models.DateTimeField(editable=False)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=urfmp.common.db.fields.TransactionTimestamp(),
                        editable=False,
                        null=True,
                    ),
                ),
                ("rolled_up_at", models.DateTimeField(editable=False, null=True)),
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
                "verbose_name_plural": "telemetry batches",
                "db_table": "telemetry_batches",
                "ordering": ("id",),
                "indexes": [
                    models.Index(
                        condition=models.Q(("rolled_up_at__isnull", True)),
                        fields=["organization", "id"],
                        name="idx_batches_to_roll_up",
                    ),
                    models.Index(
                        condition=models.Q(("rolled_up_at__isnull", False)),
                        fields=["rolled_up_at"],
                        name="idx_batches_rolled_up",
                    ),
                ],
            },
        ),
        run_sql(__file__, "0003_batches"),
    ]
