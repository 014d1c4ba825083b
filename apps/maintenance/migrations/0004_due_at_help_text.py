from __future__ import annotations

from django.db import migrations, models

import urfmp.common.db.fields


class Migration(migrations.Migration):
    dependencies = [("maintenance", "0003_dates")]

    operations = [
        migrations.AlterField(
            model_name="maintenancetask",
            name="due_at",
            field=models.DateTimeField(
                blank=True,
                help_text="Leave blank to use the scheduled time.",
                null=True,
                validators=[urfmp.common.db.fields.validate_datetime_range],
            ),
        ),
    ]
