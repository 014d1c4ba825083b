from __future__ import annotations

from django.db import migrations, models

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("alerts", "0013_web_push"),
        ("organizations", "0010_floor_plans"),
    ]

    operations = [
        migrations.AddField(
            model_name="notificationchannel",
            name="auth_scheme",
            field=models.CharField(
                blank=True,
                choices=[
                    ("", "None"),
                    ("basic", "User name and password"),
                    ("bearer", "Bearer token"),
                ],
                db_default="",
                default="",
                max_length=10,
                verbose_name="authentication",
            ),
        ),
        migrations.AddField(
            model_name="notificationchannel",
            name="auth_secret",
            field=models.TextField(blank=True, db_default="", default="", editable=False),
        ),
        migrations.AddField(
            model_name="notificationchannel",
            name="auth_username",
            field=models.CharField(
                blank=True, db_default="", default="", max_length=255, verbose_name="user name"
            ),
        ),
        migrations.AddConstraint(
            model_name="notificationchannel",
            constraint=models.CheckConstraint(
                condition=models.Q(("auth_scheme__in", ["", "basic", "bearer"])),
                name="notification_channels_auth_scheme_check",
            ),
        ),
        run_sql(__file__, "0014_channel_credentials"),
    ]
