from __future__ import annotations

from django.conf import settings
from django.db import migrations, models

import urfmp.common.db.names
from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("maintenance", "0004_due_at_help_text"),
        ("organizations", "0007_names"),
        ("robots", "0004_names"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        run_sql(__file__, "0005_names"),
        migrations.AddConstraint(
            model_name="maintenancetask",
            constraint=models.CheckConstraint(
                condition=urfmp.common.db.names.IsName(models.F("title")),
                name="maintenance_tasks_title_form_check",
            ),
        ),
    ]
