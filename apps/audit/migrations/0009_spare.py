from __future__ import annotations

from django.db import migrations

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0008_inlined_digest"),
    ]

    operations = [
        run_sql(__file__, "0009_spare"),
    ]
