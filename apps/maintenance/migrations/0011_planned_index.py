from __future__ import annotations

from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Coalesce


class Migration(migrations.Migration):
    dependencies = [
        ("maintenance", "0010_labour"),
        ("organizations", "0010_floor_plans"),
        ("robots", "0014_imports"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name="maintenancetask",
            index=models.Index(
                models.F("organization"),
                Coalesce("scheduled_at", "due_at"),
                name="idx_maintenance_planned",
            ),
        ),
    ]
