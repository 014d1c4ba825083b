from __future__ import annotations

from django.db import migrations, models

import urfmp.common.db.names
from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("organizations", "0006_labels_and_help_texts"),
    ]

    operations = [
        run_sql(__file__, "0007_names"),
        migrations.AlterField(
            model_name="facility",
            name="name",
            field=models.CharField(max_length=255),
        ),
        migrations.AlterField(
            model_name="organization",
            name="name",
            field=models.CharField(max_length=255),
        ),
        migrations.AddConstraint(
            model_name="facility",
            constraint=models.CheckConstraint(
                condition=urfmp.common.db.names.IsName(models.F("name")),
                name="facilities_name_form_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="organization",
            constraint=models.CheckConstraint(
                condition=urfmp.common.db.names.IsName(models.F("name")),
                name="organizations_name_form_check",
            ),
        ),
    ]
