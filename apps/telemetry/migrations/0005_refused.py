from __future__ import annotations

from django.db import migrations

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("telemetry", "0004_rollups"),
        ("accounts", "0009_key_limits"),
    ]

    operations = [
        run_sql(__file__, "0005_refused"),
    ]
