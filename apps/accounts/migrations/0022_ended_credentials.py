from __future__ import annotations

from django.db import migrations

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0021_own_users"),
    ]

    operations = [run_sql(__file__, "0022_ended_credentials")]
