from __future__ import annotations

from django.db import migrations

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("telemetry", "0012_imports"),
        ("audit", "0011_checkpoint_seals"),
    ]

    operations = [
        run_sql(__file__, "0013_corrections"),
    ]
