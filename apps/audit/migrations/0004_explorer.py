from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0007_idempotency"),
        ("audit", "0003_chain"),
    ]

    operations = [
        # The column exists already; only the relation is added to the state.
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveField("auditlog", "api_key_id"),
                migrations.AddField(
                    "auditlog",
                    "api_key",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="accounts.apikey",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            "auditlog",
            models.Index(
                fields=["organization", "action", "-created_at"], name="idx_audit_action_created"
            ),
        ),
        migrations.AddIndex(
            "auditlog",
            models.Index(
                condition=models.Q(("api_key__isnull", False)),
                fields=["api_key", "-created_at"],
                name="idx_audit_api_key",
            ),
        ),
        migrations.AddIndex(
            "auditlog",
            models.Index(
                condition=models.Q(("request_id__isnull", False)),
                fields=["request_id"],
                name="idx_audit_request",
            ),
        ),
        migrations.AddIndex(
            "auditlog",
            models.Index(
                condition=models.Q(("success", False)),
                fields=["organization", "-created_at"],
                name="idx_audit_failures",
            ),
        ),
    ]
