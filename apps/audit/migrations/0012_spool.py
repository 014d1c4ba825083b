from __future__ import annotations

from django.db import migrations

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0011_checkpoint_seals"),
    ]

    operations = [
        run_sql(__file__, "0012_spool"),
    ]
