from __future__ import annotations

from django.db import migrations

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("robots", "0012_claim_codes"),
    ]

    operations = [
        run_sql(__file__, "0013_expired_commands"),
    ]
