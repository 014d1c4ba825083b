from __future__ import annotations

from django.db import migrations, models

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_constraints_and_credentials"),
        ("organizations", "0003_plan_limits"),
        ("robots", "0002_constraints_and_history"),
    ]

    operations = [
        run_sql(__file__, "0004_platform"),
        migrations.CreateModel(
            name="PlatformOrganization",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=255)),
                ("slug", models.CharField(max_length=100)),
                (
                    "plan",
                    models.CharField(
                        choices=[
                            ("free", "Free"),
                            ("starter", "Starter"),
                            ("professional", "Professional"),
                            ("enterprise", "Enterprise"),
                            ("custom", "Custom"),
                        ],
                        max_length=50,
                    ),
                ),
                ("is_active", models.BooleanField(verbose_name="active")),
                ("created_at", models.DateTimeField()),
                ("robot_count", models.BigIntegerField(verbose_name="robots")),
                ("user_count", models.BigIntegerField(verbose_name="people")),
                ("api_key_count", models.BigIntegerField(verbose_name="API keys")),
            ],
            options={
                "verbose_name": "organization",
                "db_table": "platform_organizations",
                "ordering": ("name", "id"),
                "managed": False,
            },
        ),
    ]
