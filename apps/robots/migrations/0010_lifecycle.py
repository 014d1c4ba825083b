from __future__ import annotations

from django.db import migrations, models

from urfmp.db.operations import run_sql

STAGES = [
    ("planned", "Planned"),
    ("commissioning", "Commissioning"),
    ("active", "Active"),
    ("maintenance", "Maintenance"),
    ("retired", "Retired"),
]


class Migration(migrations.Migration):
    dependencies = [("robots", "0009_connection_secrets")]

    operations = [
        migrations.RemoveConstraint(model_name="robot", name="robots_lifecycle_check"),
        run_sql(__file__, "0010_lifecycle"),
        migrations.AlterField(
            model_name="robot",
            name="lifecycle",
            field=models.CharField(
                choices=STAGES, db_default="active", default="active", max_length=20
            ),
        ),
        migrations.AddConstraint(
            model_name="robot",
            constraint=models.CheckConstraint(
                condition=models.Q(("lifecycle__in", [value for value, _ in STAGES])),
                name="robots_lifecycle_check",
            ),
        ),
    ]
