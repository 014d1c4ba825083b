from __future__ import annotations

import django.db.models.deletion
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_initial"),
        ("organizations", "0001_initial"),
        ("robots", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="robot",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="robots.robot",
            ),
        ),
        migrations.AddField(
            model_name="apikey",
            name="user",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="usersession",
            name="organization",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                editable=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="organizations.organization",
            ),
        ),
        migrations.AddField(
            model_name="usersession",
            name="user",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddIndex(
            model_name="user",
            index=models.Index(fields=["email"], name="idx_users_email"),
        ),
        migrations.AddIndex(
            model_name="user",
            index=models.Index(fields=["organization"], name="idx_users_organization"),
        ),
        migrations.AddIndex(
            model_name="user",
            index=models.Index(fields=["role"], name="idx_users_role"),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.UniqueConstraint(fields=("email",), name="users_email_key"),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.UniqueConstraint(
                django.db.models.functions.text.Lower("email"), name="users_email_lower_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_system", True)),
                fields=("organization",),
                name="users_one_system_user",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "role__in",
                        [
                            "super_admin",
                            "admin",
                            "manager",
                            "operator",
                            "technician",
                            "viewer",
                            "custom",
                        ],
                    )
                ),
                name="users_role_check",
            ),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(fields=["key_hash"], name="idx_api_keys_hash"),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(fields=["organization"], name="idx_api_keys_organization"),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(fields=["user"], name="idx_api_keys_user"),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(fields=["robot"], name="idx_api_keys_robot"),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.UniqueConstraint(fields=("key_hash",), name="api_keys_key_hash_key"),
        ),
        migrations.AddIndex(
            model_name="usersession",
            index=models.Index(fields=["session_token"], name="idx_sessions_token"),
        ),
        migrations.AddIndex(
            model_name="usersession",
            index=models.Index(fields=["user"], name="idx_sessions_user"),
        ),
        migrations.AddIndex(
            model_name="usersession",
            index=models.Index(fields=["expires_at"], name="idx_sessions_expires"),
        ),
        migrations.AddIndex(
            model_name="usersession",
            index=models.Index(fields=["organization"], name="idx_sessions_organization"),
        ),
        migrations.AddConstraint(
            model_name="usersession",
            constraint=models.UniqueConstraint(
                fields=("session_token",), name="user_sessions_session_token_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="usersession",
            constraint=models.UniqueConstraint(
                fields=("refresh_token",), name="user_sessions_refresh_token_key"
            ),
        ),
    ]
