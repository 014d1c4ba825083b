from __future__ import annotations

from django.db import migrations

from urfmp.db.operations import require_own_users


class Migration(migrations.Migration):
    dependencies = [
        ("alerts", "0004_keys"),
        ("accounts", "0021_own_users"),
    ]

    operations = [
        require_own_users("alerts", "acknowledged_by"),
    ]
