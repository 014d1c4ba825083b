from __future__ import annotations

from django.db import migrations

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0016_known_devices"),
    ]

    operations = [
        run_sql(__file__, "0017_hits_given_back"),
    ]
