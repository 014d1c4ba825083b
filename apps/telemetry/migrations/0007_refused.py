from __future__ import annotations

from django.db import migrations

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("telemetry", "0006_chunks"),
        ("accounts", "0009_key_limits"),
    ]

    operations = [
        run_sql(__file__, "0007_refused"),
    ]
