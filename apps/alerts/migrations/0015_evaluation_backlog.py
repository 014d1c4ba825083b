from __future__ import annotations

from django.db import migrations

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("alerts", "0014_channel_credentials"),
        ("telemetry", "0014_evaluation"),
    ]

    operations = [run_sql(__file__, "0015_evaluation_backlog")]
