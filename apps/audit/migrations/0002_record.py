from __future__ import annotations

from django.db import migrations

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0001_initial"),
        ("accounts", "0002_keys_and_indexes"),
        ("organizations", "0001_initial"),
    ]

    operations = [
        run_sql(__file__, "0002_record"),
    ]
