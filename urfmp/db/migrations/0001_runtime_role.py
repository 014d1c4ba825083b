from __future__ import annotations

from django.db import migrations

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    # Default privileges count only for what is made after them.
    run_before = [
        ("contenttypes", "0001_initial"),
        ("organizations", "0001_initial"),
        ("procrastinate", "0001_initial"),
    ]

    operations = [run_sql(__file__, "0001_runtime_role")]
