from __future__ import annotations

from django.db import migrations, models

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0017_hits_given_back"),
    ]

    operations = [
        migrations.AddField(
            model_name="usersession",
            name="used_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        run_sql(__file__, "0018_token_successors"),
        migrations.AddConstraint(
            model_name="usersession",
            constraint=models.UniqueConstraint(
                fields=("parent_id",), name="user_sessions_parent_id_key"
            ),
        ),
    ]
