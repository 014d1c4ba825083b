from __future__ import annotations

from django.db import migrations

from urfmp.db.operations import protect_table, run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("organizations", "0001_initial"),
        ("audit", "0002_record"),
    ]

    operations = [
        run_sql(__file__, "0002_constraints"),
        protect_table("organizations", "organizations.organization", organization_column="id"),
        protect_table("facilities", "organizations.facility"),
    ]
