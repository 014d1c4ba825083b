from __future__ import annotations

from django.db import migrations, models

from urfmp.db.operations import require_own_users, run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0020_user_timezone"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="user",
            constraint=models.UniqueConstraint(
                fields=("organization", "id"), name="users_organization_id_key"
            ),
        ),
        run_sql(__file__, "0021_own_users"),
        require_own_users("api_keys", "user_id"),
        require_own_users("invitations", "invited_by"),
    ]
