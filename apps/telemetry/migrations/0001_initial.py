from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="RobotTelemetry",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "robot",
                        "metric_name",
                        "time",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("time", models.DateTimeField()),
                ("metric_name", models.CharField(max_length=100)),
                ("value", models.FloatField(null=True)),
                ("unit", models.CharField(max_length=20, null=True)),
                ("metadata", models.JSONField(null=True)),
            ],
            options={
                "verbose_name_plural": "robot telemetry",
                "db_table": "robot_telemetry",
                "ordering": ("-time",),
                "managed": False,
            },
        ),
    ]
