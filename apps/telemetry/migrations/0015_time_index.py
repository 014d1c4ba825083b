from __future__ import annotations

from django.db import migrations

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    # Each statement is a transaction of its own: the index is recreated chunk by chunk.
    atomic = False

    dependencies = [
        ("telemetry", "0014_evaluation"),
    ]

    operations = [
        run_sql(__file__, "0015_time_index"),
    ]
