from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("organizations", "0006_labels_and_help_texts"),
        ("robots", "0004_names"),
    ]

    operations = [
        migrations.AddField(
            model_name="robot",
            name="reported_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.CreateModel(
            name="RobotStatusRepeat",
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
                ("time", models.DateTimeField()),
                (
                    "status",
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
                        max_length=50,
                    ),
                ),
                ("reason", models.TextField(null=True)),
                ("metadata", models.JSONField(null=True)),
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
                "db_table": "robot_status_repeats",
                "ordering": ("-time",),
            },
        ),
        run_sql(__file__, "0005_report_times"),
    ]
