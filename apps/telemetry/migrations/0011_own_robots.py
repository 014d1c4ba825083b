from __future__ import annotations

from django.db import migrations

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("telemetry", "0010_hard_delete"),
        ("robots", "0006_own_robots"),
    ]

    operations = [
        run_sql(__file__, "0011_own_robots"),
    ]
