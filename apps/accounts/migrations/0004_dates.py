from __future__ import annotations

import datetime

from django.db import migrations, models

import urfmp.common.db.fields


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_constraints_and_credentials"),
        ("organizations", "0002_constraints"),
        ("robots", "0002_constraints_and_history"),
    ]

    operations = [
        migrations.AlterField(
            model_name="apikey",
            name="expires_at",
            field=models.DateTimeField(
                blank=True, null=True, validators=[urfmp.common.db.fields.validate_datetime_range]
            ),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "expires_at__gte",
                        datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.UTC),
                    ),
                    (
                        "expires_at__lt",
                        datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.UTC),
                    ),
                ),
                name="api_keys_expires_at_check",
            ),
        ),
    ]
