from __future__ import annotations

from django.conf import settings
from django.db import migrations, models

import urfmp.common.db.fields
import urfmp.common.db.names
from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("alerts", "0003_names"),
        ("organizations", "0007_names"),
        ("robots", "0004_names"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="alert",
            name="key",
            field=models.CharField(blank=True, max_length=255),
        ),
        migrations.AddField(
            model_name="alert",
            name="last_seen_at",
            field=models.DateTimeField(
                db_default=urfmp.common.db.fields.TransactionTimestamp(), editable=False
            ),
        ),
        migrations.AddField(
            model_name="alert",
            name="occurrences",
            field=models.PositiveIntegerField(db_default=1, default=1, editable=False),
        ),
        migrations.AddField(
            model_name="alert",
            name="resolution",
            field=models.TextField(blank=True, editable=False, null=True),
        ),
        run_sql(__file__, "0004_keys"),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.CheckConstraint(
                condition=urfmp.common.db.names.IsIdentifier(models.F("key")),
                name="alerts_key_form_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_resolved", False)),
                fields=("organization", "robot", "key"),
                name="alerts_one_open_key",
                nulls_distinct=False,
            ),
        ),
    ]
