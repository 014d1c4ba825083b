from __future__ import annotations

from django.db import migrations

from urfmp.db.operations import protect_table, run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("maintenance", "0001_initial"),
        ("robots", "0002_constraints_and_history"),
    ]

    operations = [
        run_sql(__file__, "0002_constraints"),
        protect_table("maintenance_tasks", "maintenance.maintenance_task"),
    ]
