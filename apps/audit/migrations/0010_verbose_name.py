from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("audit", "0009_spare")]

    operations = [
        migrations.AlterModelOptions(
            name="auditlog",
            options={
                "ordering": ("-created_at", "id"),
                "verbose_name": "audit log entry",
                "verbose_name_plural": "audit log entries",
            },
        ),
    ]
