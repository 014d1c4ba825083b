from __future__ import annotations

from django.db import migrations

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0003_chain"),
        ("telemetry", "0005_own_retention"),
    ]

    operations = [
        run_sql(__file__, "0006_chunks"),
    ]
