from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("organizations", "0007_names"),
    ]

    operations = [
        migrations.AddField(
            model_name="organization",
            name="scheduled_settings",
            field=models.JSONField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="organization",
            name="scheduled_settings_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddConstraint(
            model_name="organization",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    scheduled_settings__isnull=True, scheduled_settings_at__isnull=True
                )
                | models.Q(scheduled_settings__isnull=False, scheduled_settings_at__isnull=False),
                name="organizations_scheduled_settings_check",
            ),
        ),
    ]
