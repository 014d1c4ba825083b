from __future__ import annotations

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [
        ("alerts", "0010_alertmanager"),
    ]

    operations = [
        migrations.AddField(
            model_name="notificationpreference",
            name="has_sound",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddIndex(
            model_name="alert",
            index=models.Index(
                condition=Q(("is_resolved", False)),
                fields=["organization", "severity"],
                name="idx_alerts_open_severity",
            ),
        ),
        migrations.RemoveIndex(model_name="alertevent", name="idx_alert_events_organization"),
        migrations.AddIndex(
            model_name="alertevent",
            index=models.Index(
                fields=["organization", "created_at"], name="idx_alert_events_recent"
            ),
        ),
    ]
