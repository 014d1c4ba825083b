from __future__ import annotations

from django.db import migrations

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("telemetry", "0008_storage"),
    ]

    operations = [
        run_sql(__file__, "0009_store"),
    ]
