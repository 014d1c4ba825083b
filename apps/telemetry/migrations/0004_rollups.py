from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("organizations", "0002_constraints"),
        ("robots", "0003_dates"),
        ("telemetry", "0003_batches"),
    ]

    operations = [
        migrations.CreateModel(
            name="TelemetryLatest",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "robot",
                        "metric_name",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("metric_name", models.CharField(editable=False, max_length=100)),
                ("time", models.DateTimeField(editable=False)),
                ("value", models.FloatField(editable=False, null=True)),
                ("unit", models.CharField(editable=False, max_length=20, null=True)),
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
            ],
            options={
                "verbose_name_plural": "latest telemetry",
                "db_table": "telemetry_latest",
                "ordering": ("robot", "metric_name"),
                "indexes": [
                    models.Index(
                        fields=["organization", "metric_name", "robot"], name="idx_latest_metric"
                    )
                ],
            },
        ),
        run_sql(__file__, "0004_rollups"),
    ]
