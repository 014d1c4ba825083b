from __future__ import annotations

from django.db import migrations, models

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0002_record"),
    ]

    operations = [
        migrations.CreateModel(
            name="AuditHead",
            fields=[
                ("chain", models.UUIDField(primary_key=True, serialize=False)),
                ("seq", models.BigIntegerField(db_default=0)),
                ("hash", models.BinaryField(db_default=b"")),
            ],
            options={
                "db_table": "audit_heads",
                "ordering": ("chain",),
            },
        ),
        migrations.CreateModel(
            name="AuditGap",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("chain", models.UUIDField()),
                ("first_seq", models.BigIntegerField()),
                ("last_seq", models.BigIntegerField()),
                ("hash", models.BinaryField()),
            ],
            options={
                "db_table": "audit_gaps",
                "ordering": ("chain", "first_seq"),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("chain", "first_seq"), name="audit_gaps_first_key"
                    )
                ],
            },
        ),
        run_sql(__file__, "0003_chain"),
    ]
