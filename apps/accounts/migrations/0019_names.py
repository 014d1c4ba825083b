from __future__ import annotations

from django.db import migrations, models

import urfmp.common.db.names
from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0018_token_successors"),
        ("organizations", "0007_names"),
        ("robots", "0004_names"),
    ]

    operations = [
        run_sql(__file__, "0019_names"),
        migrations.AlterField(
            model_name="user",
            name="first_name",
            field=models.CharField(blank=True, max_length=100, null=True),
        ),
        migrations.AlterField(
            model_name="user",
            name="last_name",
            field=models.CharField(blank=True, max_length=100, null=True),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=urfmp.common.db.names.IsName(models.F("name")),
                name="api_keys_name_form_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=urfmp.common.db.names.IsName(models.F("first_name")),
                name="users_first_name_form_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=urfmp.common.db.names.IsName(models.F("last_name")),
                name="users_last_name_form_check",
            ),
        ),
    ]
