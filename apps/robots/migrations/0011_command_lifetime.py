from __future__ import annotations

from django.db import migrations

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("robots", "0010_lifecycle"),
    ]

    operations = [
        run_sql(__file__, "0011_command_lifetime"),
    ]
