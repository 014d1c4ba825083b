from __future__ import annotations

import datetime

from django.conf import settings
from django.db import migrations, models

import urfmp.common.db.fields


class Migration(migrations.Migration):
    dependencies = [
        ("maintenance", "0002_constraints"),
        ("organizations", "0002_constraints"),
        ("robots", "0002_constraints_and_history"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name="maintenancetask",
            name="due_at",
            field=models.DateTimeField(
                blank=True,
                help_text="Empty means the scheduled time.",
                null=True,
                validators=[urfmp.common.db.fields.validate_datetime_range],
            ),
        ),
        migrations.AlterField(
            model_name="maintenancetask",
            name="scheduled_at",
            field=models.DateTimeField(
                blank=True, null=True, validators=[urfmp.common.db.fields.validate_datetime_range]
            ),
        ),
        migrations.AddConstraint(
            model_name="maintenancetask",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "scheduled_at__gte",
                        datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.UTC),
                    ),
                    (
                        "scheduled_at__lt",
                        datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.UTC),
                    ),
                ),
                name="maintenance_tasks_scheduled_at_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="maintenancetask",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "due_at__gte",
                        datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.UTC),
                    ),
                    (
                        "due_at__lt",
                        datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.UTC),
                    ),
                ),
                name="maintenance_tasks_due_at_check",
            ),
        ),
    ]
