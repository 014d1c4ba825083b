from __future__ import annotations

from django.db import migrations

from urfmp.db.operations import require_own_users


class Migration(migrations.Migration):
    dependencies = [
        ("maintenance", "0006_open_index"),
        ("accounts", "0021_own_users"),
    ]

    operations = [
        require_own_users("maintenance_tasks", "assigned_to", "created_by"),
    ]
