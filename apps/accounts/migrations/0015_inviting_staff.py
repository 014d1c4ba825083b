from __future__ import annotations

from django.db import migrations

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0014_one_line_names"),
    ]

    operations = [
        run_sql(__file__, "0015_inviting_staff"),
    ]
