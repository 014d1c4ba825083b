from __future__ import annotations

from django.db import migrations

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("organizations", "0010_floor_plans"),
    ]

    operations = [run_sql(__file__, "0011_hieroglyphic_controls")]
