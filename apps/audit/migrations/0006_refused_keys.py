from __future__ import annotations

from django.db import migrations

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0007_idempotency"),
        ("audit", "0005_export"),
        ("robots", "0002_constraints_and_history"),
    ]

    operations = [
        run_sql(__file__, "0006_refused_keys"),
    ]
