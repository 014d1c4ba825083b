from __future__ import annotations

from django.db import migrations

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("robots", "0008_command_life_cycle"),
    ]

    operations = [run_sql(__file__, "0009_connection_secrets")]
