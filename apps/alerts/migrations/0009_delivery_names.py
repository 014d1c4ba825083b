from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("alerts", "0008_notifications"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="delivery",
            options={"ordering": ("-created_at", "id"), "verbose_name_plural": "deliveries"},
        ),
    ]
