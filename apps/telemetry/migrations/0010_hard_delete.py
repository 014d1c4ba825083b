from __future__ import annotations

from django.db import migrations

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("telemetry", "0009_store"),
    ]

    operations = [
        run_sql(__file__, "0010_hard_delete"),
    ]
