from __future__ import annotations

from django.db import migrations, models

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0010_verbose_name"),
    ]

    operations = [
        migrations.CreateModel(
            name="AuditCheckpointSeal",
            fields=[
                ("id", models.SmallIntegerField(primary_key=True, serialize=False)),
                ("label", models.UUIDField()),
                ("seal", models.BinaryField()),
            ],
            options={
                "db_table": "audit_checkpoint_seals",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("id", 1)), name="audit_checkpoint_seals_id_check"
                    )
                ],
            },
        ),
        run_sql(__file__, "0011_checkpoint_seals"),
    ]
