from __future__ import annotations

import django.core.validators
from django.db import migrations, models

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_dates"),
    ]

    operations = [
        migrations.AlterField(
            model_name="apikey",
            name="rate_limit",
            field=models.IntegerField(
                blank=True,
                db_default=1000,
                default=1000,
                help_text="Requests per minute. Leave blank for no limit.",
                null=True,
                validators=[django.core.validators.MinValueValidator(1)],
            ),
        ),
        run_sql(__file__, "0005_rate_limits"),
    ]
