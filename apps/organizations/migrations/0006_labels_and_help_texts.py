from __future__ import annotations

from django.db import migrations, models

import apps.organizations.models.settings


def _limit_field(resources: str) -> models.PositiveIntegerField:
    return models.PositiveIntegerField(
        blank=True,
        help_text="For the plan Custom; leave blank for no limit.",
        null=True,
        verbose_name=f"max {resources}",
    )


class Migration(migrations.Migration):
    dependencies = [("organizations", "0005_one_line_names")]

    operations = [
        migrations.AlterField(
            model_name="facility",
            name="timezone",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="IANA name; leave blank for the organization's timezone.",
                max_length=64,
                validators=[apps.organizations.models.settings.validate_timezone],
            ),
        ),
        migrations.AlterField("organization", "robot_limit", _limit_field("robots")),
        migrations.AlterField("organization", "user_limit", _limit_field("users")),
        migrations.AlterField("organization", "api_key_limit", _limit_field("API keys")),
    ]
