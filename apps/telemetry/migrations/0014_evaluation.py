from __future__ import annotations

from django.db import migrations, models

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("organizations", "0009_platform_fleet"),
        ("telemetry", "0013_corrections"),
    ]

    operations = [
        migrations.AddField(
            model_name="telemetrybatch",
            name="evaluated_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddIndex(
            model_name="telemetrybatch",
            index=models.Index(
                condition=models.Q(("evaluated_at__isnull", True)),
                fields=["organization", "id"],
                name="idx_batches_to_evaluate",
            ),
        ),
        run_sql(__file__, "0014_evaluation"),
    ]
