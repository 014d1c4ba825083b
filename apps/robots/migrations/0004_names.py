from __future__ import annotations

from django.db import migrations, models

import urfmp.common.db.names
from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("organizations", "0007_names"),
        ("robots", "0003_dates"),
    ]

    operations = [
        run_sql(__file__, "0004_names"),
        migrations.AddConstraint(
            model_name="robot",
            constraint=models.CheckConstraint(
                condition=urfmp.common.db.names.IsName(models.F("name")),
                name="robots_name_form_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="robot",
            constraint=models.CheckConstraint(
                condition=urfmp.common.db.names.IsIdentifier(models.F("vendor")),
                name="robots_vendor_form_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="robot",
            constraint=models.CheckConstraint(
                condition=urfmp.common.db.names.IsIdentifier(models.F("model")),
                name="robots_model_form_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="robot",
            constraint=models.CheckConstraint(
                condition=urfmp.common.db.names.IsIdentifier(models.F("serial_number")),
                name="robots_serial_number_form_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="robot",
            constraint=models.CheckConstraint(
                condition=urfmp.common.db.names.IsIdentifier(models.F("firmware_version")),
                name="robots_firmware_version_form_check",
            ),
        ),
    ]
