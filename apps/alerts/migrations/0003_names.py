from __future__ import annotations

from django.conf import settings
from django.db import migrations, models

import urfmp.common.db.names
from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("alerts", "0002_constraints"),
        ("organizations", "0007_names"),
        ("robots", "0004_names"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        run_sql(__file__, "0003_names"),
        migrations.AlterField(
            model_name="alert",
            name="message",
            field=models.TextField(validators=[urfmp.common.db.names.validate_visible]),
        ),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.CheckConstraint(
                condition=urfmp.common.db.names.IsName(models.F("title")),
                name="alerts_title_form_check",
            ),
        ),
    ]
