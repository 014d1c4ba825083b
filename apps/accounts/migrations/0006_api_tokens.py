from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_rate_limits"),
        ("organizations", "0002_constraints"),
    ]

    operations = [
        migrations.AddField(
            model_name="usersession",
            name="access_expires_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="usersession",
            name="family",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="accounts.usersession",
            ),
        ),
        migrations.AddField(
            model_name="usersession",
            name="parent_id",
            field=models.UUIDField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="usersession",
            name="spent_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddIndex(
            model_name="usersession",
            index=models.Index(fields=["family"], name="idx_sessions_family"),
        ),
        run_sql(__file__, "0006_api_tokens"),
    ]
