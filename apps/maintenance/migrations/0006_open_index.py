from __future__ import annotations

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("maintenance", "0005_names"),
        ("organizations", "0008_scheduled_settings"),
        ("robots", "0004_names"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name="maintenancetask",
            index=models.Index(
                condition=models.Q(
                    (
                        "status__in",
                        (
                            "scheduled",
                            "pending",
                            "in_progress",
                            "on_hold",
                            "requires_approval",
                            "overdue",
                        ),
                    )
                ),
                fields=["organization", "due_at"],
                name="idx_maintenance_open",
            ),
        ),
    ]
