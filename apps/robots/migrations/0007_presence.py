from __future__ import annotations

import django.core.validators
from django.db import migrations, models

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("organizations", "0009_platform_fleet"),
        ("robots", "0006_own_robots"),
    ]

    operations = [
        migrations.AddField(
            model_name="robot",
            name="offline_after_seconds",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Time without contact after which the robot is offline. Leave blank for the setting of the organization.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(5),
                    django.core.validators.MaxValueValidator(86400),
                ],
                verbose_name="offline after, seconds",
            ),
        ),
        migrations.AddField(
            model_name="robot",
            name="presence_lost_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddConstraint(
            model_name="robot",
            constraint=models.CheckConstraint(
                condition=models.Q(("offline_after_seconds__range", (5, 86400))),
                name="robots_offline_after_range_check",
            ),
        ),
        run_sql(__file__, "0007_presence"),
    ]
