from __future__ import annotations

from django.db import migrations

from urfmp.db.operations import protect_table, run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("robots", "0001_initial"),
        ("audit", "0002_record"),
        ("organizations", "0002_constraints"),
    ]

    operations = [
        run_sql(__file__, "0002_constraints"),
        run_sql(__file__, "0002_status_history"),
        protect_table(
            "robots",
            "robots.robot",
            # Status changes have a history of their own, and last_seen changes are not audited.
            ignored=("last_seen", "reported_status", "status", "version"),
            secret=("connection_config",),
        ),
        protect_table("robot_commands", "robots.command"),
    ]
