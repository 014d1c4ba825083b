from __future__ import annotations

from django.db import migrations

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("telemetry", "0004_rollups"),
        ("organizations", "0003_plan_limits"),
    ]

    operations = [
        run_sql(__file__, "0005_own_retention"),
    ]
