from __future__ import annotations

from django.db import migrations

from urfmp.db.operations import protect_table, run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_keys_and_indexes"),
        ("audit", "0002_record"),
        ("organizations", "0002_constraints"),
        ("robots", "0002_constraints_and_history"),
    ]

    operations = [
        run_sql(__file__, "0003_constraints"),
        run_sql(__file__, "0003_credentials"),
        protect_table(
            "users", "accounts.user", ignored=("last_login_at",), secret=("password_hash",)
        ),
        protect_table(
            "user_sessions",
            "accounts.session",
            ignored=("data", "last_activity_at"),
            secret=("session_token", "refresh_token"),
        ),
        protect_table(
            "api_keys", "accounts.api_key", ignored=("last_used_at",), secret=("key_hash",)
        ),
    ]
