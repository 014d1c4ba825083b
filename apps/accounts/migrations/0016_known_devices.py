from __future__ import annotations

from django.db import migrations, models

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0015_inviting_staff"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="trusted_devices_reset_at",
            field=models.DateTimeField(
                blank=True, db_column="devices_known_since", editable=False, null=True
            ),
        ),
        run_sql(__file__, "0016_known_devices"),
    ]
