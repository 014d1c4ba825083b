from __future__ import annotations

from django.db import migrations

from urfmp.db.operations import require_own_users, run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("robots", "0005_report_times"),
        ("accounts", "0021_own_users"),
    ]

    operations = [
        run_sql(__file__, "0006_own_robots"),
        require_own_users("robot_commands", "user_id"),
    ]
